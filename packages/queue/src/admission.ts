import type { Lane } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import {
  argumentsPerScope,
  holdScript,
  keysPerScope,
  paceScript,
  putForwardScript,
  wakeScript,
} from './admission-scripts.ts';
import { keys, toMember } from './names.ts';

/** Limits as config and environment give them; absent: none. */
export interface Limits {
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  /** Calls at once. */
  concurrency?: number | undefined;
}

/** Whose limits they are. `id`: the provider, `provider/model-id`, or the client's name. */
export interface LimitScope extends Limits {
  kind: 'provider' | 'model' | 'client';
  id: string;
}

/** What a call needs of its limits before it may start. */
export interface AdmissionNeed {
  /** All of them admit, or none. */
  scopes: readonly LimitScope[];
  /** An estimate of input and output. */
  tokens: number;
  lane: Lane;
  /** Names of `{aimm}:cooldowns`, provider and model: the call does not start while one of them is set aside. */
  freeOf?: readonly [string, string] | undefined;
}

/** Why a call may not start now, and when its turn is likely to be there. Nothing was reserved. */
export interface Refusal {
  waitMs: number;
  scope: LimitScope;
  reason: 'requests' | 'tokens' | 'concurrency' | 'hold';
  /** Short enough to wait for in place, and ask again. */
  inPlace: boolean;
}

/** Milliseconds for which each call or token is to take `everyUs`; 0 lets go of that, absent leaves it. */
export interface Pace {
  requests?: { everyUs: number; forMs: number };
  tokens?: { everyUs: number; forMs: number };
}

/** Who waits for a provider waits for nobody else's turn; whoever waits for a model or client would hold up others. */
const patienceMs: Record<LimitScope['kind'], number> = { provider: 1_000, model: 250, client: 250 };

/** Calls that may come at once: a second's worth, and at least one. */
export function toRequestBurst(requestsPerMinute: number): number {
  return Math.max(1, Math.floor(requestsPerMinute / 60));
}

/** Tokens that may be asked for at once: ten seconds' worth. */
export function toTokenBurst(tokensPerMinute: number): number {
  return Math.max(1, Math.floor(tokensPerMinute / 6));
}

const usPerMinute = 60_000_000;

/** KEYS of the scopes, for the scripts that admit and settle. */
export function toScopeKeys(scopes: readonly LimitScope[]): string[] {
  const all = scopes.flatMap((scope) => {
    const name = toName(scope);
    return [keys.limit(name), keys.leases(name), keys.turns(name)];
  });
  if (all.length !== scopes.length * keysPerScope) throw new TypeError('the scripts count on three keys a scope');
  return all;
}

/** ARGV of the scopes: their number, then what `admit` and `settle` read of each. */
export function toScopeArguments(scopes: readonly LimitScope[], tokens: number): (string | number)[] {
  const all = scopes.flatMap(({ kind, requestsPerMinute, tokensPerMinute, concurrency }) => {
    const interval = requestsPerMinute === undefined ? 0 : usPerMinute / requestsPerMinute;
    const tolerance = requestsPerMinute === undefined ? 0 : (toRequestBurst(requestsPerMinute) - 1) * interval;
    const perToken = tokensPerMinute === undefined ? 0 : usPerMinute / tokensPerMinute;
    // What is larger than the burst is admitted when nothing of that is in use, and leaves a debt.
    const spare = tokensPerMinute === undefined ? 0 : toTokenBurst(tokensPerMinute) - tokens;
    return [
      interval,
      tolerance,
      tokens * perToken,
      Math.max(0, spare * perToken),
      concurrency ?? 0,
      patienceMs[kind],
      kind === 'provider' ? 1 : 0,
      perToken,
    ];
  });
  if (all.length !== scopes.length * argumentsPerScope) throw new TypeError('the scripts count on their arguments');
  return [scopes.length, ...all];
}

/** The scopes that have something to settle after a call. */
export function toSettledScopes(scopes: readonly LimitScope[]): LimitScope[] {
  return scopes.filter(
    ({ tokensPerMinute, concurrency }) => tokensPerMinute !== undefined || concurrency !== undefined,
  );
}

/** What `admit` answered when it refused. */
export function toRefusal(answer: readonly unknown[], scopes: readonly LimitScope[]): Refusal {
  const [waitMs, number, reason, inPlace] = answer;
  const scope = scopes[Number(number) - 1];
  if (scope === undefined) throw new TypeError('the script refused for a scope that it was not given');
  // The script says no other words.
  return { waitMs: Number(waitMs), scope, reason: reason as Refusal['reason'], inPlace: inPlace === 1 };
}

/** Holds and paces that outlast a call, for all workers. Admission itself is part of the scripts in `checkpoints.ts`. */
export interface Admission {
  /** A 429: the scope waits, its whole queue with it where the scope is the provider. A longer hold stays. */
  hold(scope: LimitScope, queue: string, ms: number): Promise<void>;
  /** The queue alone pauses, since its provider's limit is used up for so long. */
  pause(queue: string, ms: number): Promise<void>;
  pace(scope: LimitScope, pace: Pace): Promise<void>;
  /** Somebody waits for this scope: it is woken where limits change. */
  noteRefused(scope: LimitScope): void;
  /** Limits have changed: whoever was seen to wait for a place asks again now. */
  wake(): Promise<void>;
  /** A job that was put aside goes to the front of its queue: nobody's clock says when. */
  putForward(queue: string, jobId: string): Promise<void>;
}

type Scripted = Redis & {
  aimmHold(limit: string, limiter: string, holdMs: number, pauseMs: number): Promise<null>;
  aimmPace(limit: string, ...argv: (string | number)[]): Promise<null>;
  aimmWake(turns: string): Promise<number>;
  aimmPutForward(marker: string, member: string): Promise<number>;
};

/** Scopes that are remembered as waited for; what is beyond that comes by its own time. */
const maxWaitedFor = 1_000;

export function createAdmission(redis: Redis): Admission {
  redis.defineCommand('aimmHold', { numberOfKeys: 2, lua: holdScript });
  redis.defineCommand('aimmPace', { numberOfKeys: 1, lua: paceScript });
  redis.defineCommand('aimmWake', { numberOfKeys: 1, lua: wakeScript });
  redis.defineCommand('aimmPutForward', { numberOfKeys: 1, lua: putForwardScript });
  const scripted = redis as Scripted;
  const waitedFor = new Set<string>();
  const wakeUps = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  /**
   * A worker that found its queue full blocks for a marker, and BullMQ adds none for a job with a priority that is put
   * back, nor when a pause ends: without one, all of them may sleep on for five seconds.
   */
  const wakeAfter = (queue: string, ms: number) => {
    const at = Date.now() + ms;
    const planned = wakeUps.get(queue);
    if (planned !== undefined && planned.at >= at) return;
    clearTimeout(planned?.timer);
    const wake = () => {
      wakeUps.delete(queue);
      void redis.zadd(keys.marker(queue), 0, '0').catch(() => undefined);
    };
    wakeUps.set(queue, { at, timer: setTimeout(wake, Math.min(ms + 5, 2 ** 31 - 1)).unref() });
  };
  return {
    noteRefused(scope) {
      if (waitedFor.size < maxWaitedFor) waitedFor.add(toName(scope));
    },
    async wake() {
      const names = [...waitedFor];
      waitedFor.clear();
      await Promise.all(names.map((name) => scripted.aimmWake(keys.turns(name))));
    },
    async putForward(queue, jobId) {
      await scripted.aimmPutForward(keys.marker(queue), toMember({ queue, jobId }));
    },
    async hold(scope, queue, ms) {
      const whole = Math.ceil(ms);
      const pauseMs = scope.kind === 'provider' ? whole : 0;
      await scripted.aimmHold(keys.limit(toName(scope)), keys.limiter(queue), whole, pauseMs);
      if (pauseMs > 0) wakeAfter(queue, pauseMs);
    },
    async pause(queue, ms) {
      const whole = Math.max(1, Math.ceil(ms));
      await scripted.aimmHold(keys.limit('none'), keys.limiter(queue), 0, whole);
      wakeAfter(queue, whole);
    },
    async pace(scope, { requests, tokens }) {
      const argv = [requests, tokens].flatMap((each) => [
        each === undefined ? '' : Math.round(each.everyUs),
        Math.ceil(each?.forMs ?? 0),
      ]);
      await scripted.aimmPace(keys.limit(toName(scope)), ...argv);
    },
  };
}

const prefixes: Record<LimitScope['kind'], string> = { provider: 'p', model: 'm', client: 'c' };

function toName({ kind, id }: LimitScope): string {
  return `${prefixes[kind]}:${id}`;
}
