import type { Redis } from 'ioredis';
import * as z from 'zod';
import { keys } from './names.ts';

/** What a worker says of itself, renewed every few seconds: fronts learn from it which providers are configured. */
export const WorkerPresence = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  /** Of this system, which all processes should share. */
  version: z.string().optional(),
  startedAt: z.number(),
  seenAt: z.number(),
  /** How the process fares. */
  process: z.object({ residentBytes: z.number(), heapUsedBytes: z.number() }).optional(),
  /** Ledger rows on its machine's disk: neither the database nor Redis took them. */
  spoolBytes: z.number().optional(),
  /** By how much its machine's clock is ahead of Redis', in milliseconds. */
  skewMs: z.number().optional(),
  providers: z.array(
    z.object({
      id: z.string(),
      configured: z.boolean(),
      demo: z.boolean(),
      /** What is wrong with keys that are there, but cannot be used. */
      problem: z.string().optional(),
    }),
  ),
});
export type WorkerPresence = z.infer<typeof WorkerPresence>;

const ttlMs = 15_000;
const renewMs = 4_000;

/**
 * By Redis' clock: a worker whose own is wrong must not hide the others. KEYS: the worker, workers, served providers. ARGV: JSON, id,
 * time to live, providers.
 */
const announceScript = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, string.format('%.0f', now - ARGV[3]))
for i = 4, #ARGV do redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[i]) end`;

type Scripted = Redis & {
  aimmAnnounce(...argv: (string | number)[]): Promise<null>;
};

/** Announces a worker until closed. `announce` sends what has changed at once. */
export function createPresence(
  redis: Redis,
  describe: () => Omit<WorkerPresence, 'seenAt'>,
): { announce(): Promise<void>; close(): Promise<void> } {
  redis.defineCommand('aimmAnnounce', { numberOfKeys: 3, lua: announceScript });
  const announce = async () => {
    const presence: WorkerPresence = { ...describe(), seenAt: Date.now() };
    const json = JSON.stringify(presence);
    const { id, providers } = presence;
    const served = providers.map((provider) => provider.id);
    await (redis as Scripted).aimmAnnounce(keys.worker(id), keys.workers, keys.served, json, id, ttlMs, ...served);
  };
  const timer = setInterval(() => void announce().catch(() => undefined), renewMs).unref();
  return {
    announce,
    async close() {
      clearInterval(timer);
      const { id } = describe();
      if (redis.status === 'ready') await redis.multi().del(keys.worker(id)).zrem(keys.workers, id).exec();
    },
  };
}

/** Older than any job that may still wait for it. */
const forgottenMs = 8 * 24 * 3_600_000;

/** Providers that some worker served once, and none has for `unservedMs`. */
export async function listUnserved(redis: Redis, unservedMs: number): Promise<string[]> {
  const [seconds] = await redis.time();
  const now = Number(seconds) * 1_000;
  await redis.zremrangebyscore(keys.served, '-inf', now - forgottenMs);
  return redis.zrangebyscore(keys.served, '-inf', now - unservedMs);
}

/** Providers that some worker serves, or served once: none of their jobs are older. */
export async function listServed(redis: Redis): Promise<string[]> {
  return redis.zrange(keys.served, 0, '-1');
}

/** Workers that reported within the last 15 s. */
export async function listWorkers(redis: Redis): Promise<WorkerPresence[]> {
  const [seconds] = await redis.time();
  const ids = await redis.zrangebyscore(keys.workers, Number(seconds) * 1_000 - ttlMs, '+inf');
  if (ids.length === 0) return [];
  const found = await redis.mget(ids.map((id) => keys.worker(id)));
  return found.flatMap((json) => (json === null ? [] : [WorkerPresence.parse(JSON.parse(json))]));
}
