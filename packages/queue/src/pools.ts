import { randomUUID } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';
import { toPoolMove } from './fallback.ts';
import type { HandOver } from './hand-over.ts';
import { keyPrefix, keys, queueOf } from './names.ts';
import { findWorkScript, pickScript } from './pool-scripts.ts';

/** One of several equal models. */
export interface PoolMember {
  provider: string;
  model: string;
  /** Calls at once of its provider. */
  concurrency: number;
}

type Scripted = Redis & {
  aimmPick(...given: (string | number)[]): Promise<number>;
  aimmFindWork(...given: (string | number)[]): Promise<[string, string] | null>;
};

/** A choice counts as work for so long where its job never comes. */
const pickLeaseMs = 2_000;

export interface PoolPicker {
  /**
   * The member with the least outstanding work for its size, over all fronts, in one round trip. `added`: its job is in the
   * queue and counts by itself. @throws unavailable
   */
  pick<M extends PoolMember>(pool: string, members: readonly [M, ...M[]]): Promise<{ member: M; added: () => void }>;
}

export function createPoolPicker(redis: Redis): PoolPicker {
  redis.defineCommand('aimmPick', { lua: pickScript });
  const scripted = redis as Scripted;
  return {
    async pick(pool, members) {
      const id = randomUUID();
      const memberKeys = members.flatMap(({ provider }) => {
        const queue = queueOf('generate', provider);
        return [keys.wait(queue), keys.active(queue), keys.prioritized(queue), keys.picks(provider)];
      });
      const facts = members.flatMap(({ provider, model, concurrency }) => [provider, model, concurrency]);
      const number = await withRedis(redis, () =>
        scripted.aimmPick(
          2 + memberKeys.length,
          keys.poolTurn(pool),
          keys.cooldowns,
          ...memberKeys,
          id,
          pickLeaseMs,
          ...facts,
        ),
      );
      const member = members[number - 1] ?? members[0];
      return { member, added: () => void redis.zrem(keys.picks(member.provider), id).catch(() => undefined) };
    },
  };
}

export interface PoolBalancer {
  /** A call of this provider is about to end: its place may be for a job that waits at another member. */
  freed(provider: string): void;
  close(): void;
}

export interface PoolBalancerOptions {
  redis: Redis;
  handOver: HandOver;
  /** The pools as they are configured now, by name. */
  pools: () => Readonly<Record<string, readonly PoolMember[]>>;
  /** Whether this worker can call the provider now. */
  isReady: (member: PoolMember) => boolean;
  logger: Logger;
}

/** Places that became free without a call's end (a host came back) are filled this often. */
const lookEveryMs = 1_000;

/** Moves jobs that wait at one member of a pool to another that has nothing to do: no host is idle while another has a queue. */
export function createPoolBalancer({ redis, handOver, pools, isReady, logger }: PoolBalancerOptions): PoolBalancer {
  redis.defineCommand('aimmFindWork', { lua: findWorkScript });
  const scripted = redis as Scripted;

  /** Takes one job over. Returns whether there was one. */
  const take = async (provider: string, ending: number): Promise<boolean> => {
    const joined = Object.entries(pools()).flatMap(([name, members]) => {
      const own = members.find((member) => member.provider === provider);
      return own !== undefined && isReady(own) ? [{ name, own, members }] : [];
    });
    const [first] = joined;
    if (first === undefined) return false;
    const others = new Map(
      joined.flatMap(({ members }) => members.map((member) => [member.provider, member.concurrency] as const)),
    );
    others.delete(provider);
    const ownQueue = queueOf('generate', provider);
    for (const [other, size] of others) {
      const queue = queueOf('generate', other);
      const found = await scripted.aimmFindWork(
        6,
        keys.wait(ownQueue),
        keys.active(ownQueue),
        keys.prioritized(ownQueue),
        keys.wait(queue),
        keys.active(queue),
        keys.prioritized(queue),
        first.own.concurrency,
        ending,
        `${keyPrefix}:${queue}:`,
        keys.request(''),
        size,
        ...joined.filter(({ members }) => members.some((member) => member.provider === other)).map(({ name }) => name),
      );
      const target = joined.find(({ name }) => name === found?.[1]);
      if (found === null || target === undefined) continue;
      if (await moveJob(queue, found[0], target.own)) return true;
    }
    return false;
  };
  const moveJob = async (queue: string, jobId: string, to: PoolMember): Promise<boolean> => {
    const payload = await handOver.find({ queue, jobId });
    if (payload === undefined) return false;
    const next = toPoolMove(payload, `${to.provider}/${to.model}`);
    if (next === undefined) return false;
    const error = new ModelManagerError('unavailable', 'Another member of the pool had nothing to do.').toShape();
    return handOver.move(payload, next, { error, moved: true });
  };
  /** One search per provider at a time, as searches side by side would all find the same job; and whether to look once more. */
  const searching = new Map<string, { again: boolean }>();
  const search = async (provider: string, ending: number) => {
    const under = searching.get(provider);
    if (under !== undefined) {
      under.again = true;
      return;
    }
    const own = { again: false };
    searching.set(provider, own);
    try {
      // As long as there is work and room for it.
      do own.again = false;
      while ((await take(provider, ending)) || own.again);
    } catch (error) {
      // Without Redis nothing moves; afterwards the next look does.
      logger.debug({ err: error, provider }, 'Could not balance a pool');
    } finally {
      searching.delete(provider);
    }
  };
  const providers = () => new Set(Object.values(pools()).flatMap((members) => members.map(({ provider }) => provider)));
  const timer = setInterval(() => {
    for (const provider of providers()) void search(provider, 0);
  }, lookEveryMs).unref();
  return {
    freed: (provider) => void (providers().has(provider) && search(provider, 1)),
    close: () => clearInterval(timer),
  };
}
