import { Outcome } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { fields, keys, toMember } from './names.ts';
import { readRedisTime } from './redis-time.ts';

/** A job of which nobody knows whether all of its calls are in the ledger. Most of them simply run. */
export interface UnsettledJob {
  queue: string;
  jobId: string;
  /** Since when it stands in the set: the start of the oldest call that may be missing. */
  since: number;
  /**
   * `running`: a worker holds its lock. `open`: nobody does. `ended`: BullMQ is done with it. `gone`: it was removed from
   * Redis. `settled`: it left the set while it was read. `unreadable`: in a form that this release does not know.
   */
  place: 'running' | 'open' | 'ended' | 'gone' | 'settled' | 'unreadable';
  /** As it was added; undefined where running, gone or unreadable. */
  payload?: unknown;
  /** The checkpoint's JSON. */
  checkpoint?: string;
  outcome?: Outcome;
  /** BullMQ's word for why it failed. */
  failedReason?: string;
}

/** A job that BullMQ failed and that has no outcome: its handler was never asked. */
export interface AbandonedFailure {
  queue: string;
  jobId: string;
  payload: unknown;
  failedReason: string;
}

/** What the reconciler reads: a set of the size of what is under way, and the newest failures. Never all jobs. */
export interface UnsettledJobs {
  /** A page of the set, oldest first. */
  read(offset: number, count: number): Promise<UnsettledJob[]>;
  /** Whether no list holds the job, so that no worker will ever take it up. Walks through the waiting jobs: for few. */
  isStranded(job: UnsettledJob): Promise<boolean>;
  /** Takes the job off the set, unless it has gone on since its checkpoint was read. */
  forget(job: { queue: string; jobId: string; checkpoint?: string | undefined }): Promise<void>;
  /** The next `count` failed jobs of a queue, up to now minus `graceMs`; each is looked at once. */
  readFailures(queue: string, count: number, graceMs: number): Promise<AbandonedFailure[]>;
  /** How many there are, and since when the oldest. O(1). */
  measure(): Promise<{ count: number; oldestAt: number | undefined }>;
  /** True where no other worker is at it. Unless `anew`, also false within `gapMs` of the last round. */
  claimRound(id: string, anew: boolean): Promise<boolean>;
  endRound(id: string, gapMs: number): Promise<void>;
}

const claimScript = `
local seen = redis.call('GET', KEYS[1])
if seen and not (seen == 'done' and ARGV[2] == '1') then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1`;
const endScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2]) end`;
const forgetScript = `
local seen = redis.call('HGET', KEYS[1], '${fields.checkpoint}')
if not seen or seen == ARGV[2] then return redis.call('ZREM', KEYS[2], ARGV[1]) end
return 0`;

/** In one go: a job that moves from one list to the next is in one of them at any time. KEYS[1]: lock, [2–5]: sorted sets, [6–8]: lists. */
const strandedScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for i = 2, 5 do if redis.call('ZSCORE', KEYS[i], ARGV[1]) then return 0 end end
for i = 6, 8 do if redis.call('LPOS', KEYS[i], ARGV[1]) then return 0 end end
return 1`;

type Scripted = Redis & {
  aimmStranded(...keysAndId: string[]): Promise<number>;
  aimmClaim(lock: string, id: string, anew: string, ttlMs: number): Promise<number>;
  aimmEndRound(lock: string, id: string, gapMs: number): Promise<null>;
  aimmForget(job: string, unsettled: string, member: string, checkpoint: string): Promise<number>;
};

/** A worker that dies in the middle of a round holds the others up for so long. */
const roundTtlMs = 30_000;
/** A failed job is looked at once: where reading stopped is kept for as long as failed jobs are. */
const cursorTtlMs = 8 * 24 * 3_600_000;

export function createUnsettledJobs(redis: Redis): UnsettledJobs {
  redis.defineCommand('aimmClaim', { numberOfKeys: 1, lua: claimScript });
  redis.defineCommand('aimmEndRound', { numberOfKeys: 1, lua: endScript });
  redis.defineCommand('aimmForget', { numberOfKeys: 2, lua: forgetScript });
  redis.defineCommand('aimmStranded', { numberOfKeys: 8, lua: strandedScript });
  const scripted = redis as Scripted;

  return {
    async read(offset, count) {
      const found = await redis.zrange(keys.unsettled, offset, String(offset + count - 1), 'WITHSCORES');
      const members = found.flatMap((member, index) => {
        const [, queue = '', jobId = ''] = /^([^:]*):(.*)$/.exec(member) ?? [];
        return index % 2 === 0 ? [{ queue, jobId, since: Number(found[index + 1]) }] : [];
      });
      return Promise.all(members.map((member) => readUnsettled(redis, member)));
    },

    async isStranded({ queue, jobId }) {
      const places = [...keys.sortedPlaces(queue), ...keys.listedPlaces(queue)];
      return (await scripted.aimmStranded(keys.jobLock(queue, jobId), ...places, jobId)) === 1;
    },

    async forget({ queue, jobId, checkpoint = '' }) {
      await scripted.aimmForget(keys.job(queue, jobId), keys.unsettled, toMember({ queue, jobId }), checkpoint);
    },

    async readFailures(queue, count, graceMs) {
      const cursor = keys.failuresSeen(queue);
      // By Redis' clock: one that was ahead would have the others pass over what failed until they are there.
      const until = (await readRedisTime(redis)) - graceMs;
      const from = Math.min(Number((await redis.get(cursor)) ?? 0), until);
      const found = await redis.zrangebyscore(keys.failed(queue), from, until, 'WITHSCORES', 'LIMIT', 0, count);
      const ids = found.filter((_, index) => index % 2 === 0);
      const last = Number(found.at(-1) ?? from);
      const read = await Promise.all(ids.map((jobId) => readFailure(redis, queue, jobId)));
      // Those of the last millisecond are read again, unless they fill a page by themselves.
      if (last > from || ids.length === count) {
        await redis.set(cursor, last > from ? last : last + 1, 'PX', cursorTtlMs);
      }
      return read.flatMap((failure) => failure ?? []);
    },

    async measure() {
      const [count, oldest] = await Promise.all([
        redis.zcard(keys.unsettled),
        redis.zrange(keys.unsettled, 0, '0', 'WITHSCORES'),
      ]);
      return { count, oldestAt: oldest[1] === undefined ? undefined : Number(oldest[1]) };
    },

    async claimRound(id, anew) {
      return (await scripted.aimmClaim(keys.reconciler, id, anew ? '1' : '0', roundTtlMs)) === 1;
    },
    async endRound(id, gapMs) {
      await scripted.aimmEndRound(keys.reconciler, id, gapMs);
    },
  };
}

async function readUnsettled(
  redis: Redis,
  member: Pick<UnsettledJob, 'queue' | 'jobId' | 'since'>,
): Promise<UnsettledJob> {
  const job = keys.job(member.queue, member.jobId);
  const [locked, finishedOn] = await Promise.all([
    redis.exists(keys.jobLock(member.queue, member.jobId)),
    redis.hget(job, 'finishedOn'),
  ]);
  // What runs is the common case, and its prompt may be long: no more is read of it.
  if (locked === 1 && finishedOn === null) return { ...member, place: 'running' };
  const [[data, checkpoint, outcome, failedReason], since] = await Promise.all([
    redis.hmget(job, 'data', fields.checkpoint, fields.outcome, 'failedReason'),
    redis.zscore(keys.unsettled, toMember(member)),
  ]);
  // A job is taken off the set before it ends: this one ran when the set was read.
  if (since === null) return { ...member, place: 'settled' };
  if (data == null) return { ...member, place: 'gone' };
  const end = outcome == null ? undefined : Outcome.safeParse(JSON.parse(outcome));
  if (end?.success === false) return { ...member, place: 'unreadable' };
  return {
    ...member,
    place: finishedOn === null ? 'open' : 'ended',
    payload: JSON.parse(data),
    ...(checkpoint != null && { checkpoint }),
    ...(end !== undefined && { outcome: end.data }),
    ...(failedReason != null && { failedReason }),
  };
}

async function readFailure(redis: Redis, queue: string, jobId: string): Promise<AbandonedFailure | undefined> {
  const job = keys.job(queue, jobId);
  if ((await redis.hexists(job, fields.outcome)) === 1) return undefined;
  const [data, failedReason] = await redis.hmget(job, 'data', 'failedReason');
  if (data == null) return undefined;
  return { queue, jobId, payload: JSON.parse(data), failedReason: failedReason ?? '' };
}
