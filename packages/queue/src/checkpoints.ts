import { Checkpoint, Outcome } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { isOutOfMemory, redisFull } from './connection.ts';
import { fields, keys } from './names.ts';

/**
 * A job's memory across crashes, kept in fields of its own hash. Every write is fenced: it happens only while the
 * writer holds the job's lock, so a worker that was paused past its lock cannot overwrite its successor's.
 */
const openScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end
local seen = redis.call('HMGET', KEYS[1], '${fields.cancel}', '${fields.outcome}', '${fields.checkpoint}')
if seen[1] then return {'cancelled', seen[3] or ''} end
if seen[2] then return {'settled', seen[2], seen[3] or ''} end
-- Our own first write, sent again by a connection that lost the answer to it, is no earlier run.
if seen[3] and seen[3] ~= ARGV[2] then return {'resumed', seen[3]} end
redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
redis.call('ZADD', KEYS[3], 'NX', ARGV[4], ARGV[3])
return {'fresh'}`;

/**
 * ARGV: token, checkpoint ('' keeps), outcome ('' removes it and the partial text), reply ('' sends none), stream length,
 * unsettled job, now. KEYS[3]: reply stream. A Redis that is out of memory takes this all the same: the call is paid for, and
 * there are no more of them than calls at once.
 */
const saveScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
  redis.call('ZADD', KEYS[4], 'NX', ARGV[7], ARGV[6])
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '${fields.outcome}', ARGV[3]) else redis.call('HDEL', KEYS[1], '${fields.outcome}', '${fields.partial}') end
if ARGV[4] ~= '' then redis.call('XADD', KEYS[3], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[5], '*', 'r', ARGV[4]) end
return 1`;

const partialScript = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('HSET', KEYS[1], '${fields.partial}', ARGV[2]) end`;

/** Fenced like the writes: a late word of a worker that lost the job must not hide its successor's calls. */
const accountScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('ZREM', KEYS[2], ARGV[2]) end
return 0`;

type Scripted = Redis & {
  aimmPartial(job: string, lock: string, token: string, text: string): Promise<null>;
  aimmOpen(
    job: string,
    lock: string,
    unsettled: string,
    ...argv: (string | number)[]
  ): Promise<[string, string?, string?]>;
  aimmSave(job: string, lock: string, stream: string, unsettled: string, ...argv: (string | number)[]): Promise<number>;
  aimmAccount(lock: string, unsettled: string, token: string, member: string): Promise<number>;
};

/** This worker does not own the job any more: another took it over. Nothing of it may be written. */
export class LockLostError extends Error {
  constructor() {
    super('the job belongs to another worker now');
    this.name = 'LockLostError';
  }
}

export type Opened =
  | { state: 'fresh' }
  /** An earlier run of the job left this behind. */
  | { state: 'resumed'; checkpoint: Checkpoint }
  | { state: 'settled'; outcome: Outcome; checkpoint: Checkpoint | undefined }
  | { state: 'cancelled'; checkpoint: Checkpoint | undefined };

export interface JobHandle {
  queue: string;
  jobId: string;
  token: string;
}

export interface Checkpoints {
  /** Reads what earlier runs left; where there is nothing, writes `fresh`. One round trip. @throws LockLostError */
  open(job: JobHandle, fresh: Checkpoint): Promise<Opened>;
  /**
   * Writes atomically what is given: checkpoint, outcome and a reply into a front's stream. Without an outcome the
   * job goes on: one that an earlier run left is removed, as is the text of the call before. @throws LockLostError
   */
  save(
    job: JobHandle,
    what: { checkpoint?: Checkpoint; outcome?: Outcome; reply?: { stream: string; json: string } },
  ): Promise<void>;
  /**
   * Every call of the last checkpoint is in the ledger, or on its way there. Until then the job stands in the set that
   * the reconciler looks through; where this write is lost, rows are brought once more, which does no harm.
   */
  account(job: JobHandle): Promise<void>;
  /** Keeps the text so far beside the job; nothing is written once another worker owns it. */
  keepPartialText(job: JobHandle, text: string): Promise<void>;
}

/** Reply streams are trimmed to about this many entries; a front that fell behind reads the outcome instead. */
export const replyStreamLength = 10_000;

export function createCheckpoints(redis: Redis): Checkpoints {
  redis.defineCommand('aimmOpen', { numberOfKeys: 3, lua: openScript });
  redis.defineCommand('aimmSave', { numberOfKeys: 4, lua: saveScript });
  redis.defineCommand('aimmAccount', { numberOfKeys: 2, lua: accountScript });
  redis.defineCommand('aimmPartial', { numberOfKeys: 2, lua: partialScript });
  const scripted = redis as Scripted;

  return {
    async open({ queue, jobId, token }, fresh) {
      const [state, first, second] = await scripted
        .aimmOpen(
          keys.job(queue, jobId),
          keys.jobLock(queue, jobId),
          keys.unsettled,
          token,
          JSON.stringify(fresh),
          toUnsettledMember({ queue, jobId }),
          Date.now(),
        )
        .catch((error: unknown) => {
          throw isOutOfMemory(error) ? redisFull(error) : error;
        });
      switch (state) {
        case 'fresh':
          return { state };
        case 'resumed':
          return { state, checkpoint: Checkpoint.parse(JSON.parse(first ?? '')) };
        case 'settled':
          return { state, outcome: Outcome.parse(JSON.parse(first ?? '')), checkpoint: parseOptional(second) };
        case 'cancelled':
          return { state, checkpoint: parseOptional(first) };
        default:
          throw new LockLostError();
      }
    },

    async save({ queue, jobId, token }, { checkpoint, outcome, reply }) {
      const job = keys.job(queue, jobId);
      const written = await scripted.aimmSave(
        job,
        keys.jobLock(queue, jobId),
        reply?.stream ?? job,
        keys.unsettled,
        token,
        checkpoint === undefined ? '' : JSON.stringify(checkpoint),
        outcome === undefined ? '' : JSON.stringify(outcome),
        reply?.json ?? '',
        replyStreamLength,
        toUnsettledMember({ queue, jobId }),
        Date.now(),
      );
      if (written === 0) throw new LockLostError();
    },

    async account({ queue, jobId, token }) {
      const member = toUnsettledMember({ queue, jobId });
      await scripted.aimmAccount(keys.jobLock(queue, jobId), keys.unsettled, token, member);
    },

    async keepPartialText({ queue, jobId, token }, text) {
      await scripted.aimmPartial(keys.job(queue, jobId), keys.jobLock(queue, jobId), token, text);
    },
  };
}

/** Neither a queue's name nor a job's id holds a space. */
export function toUnsettledMember({ queue, jobId }: { queue: string; jobId: string }): string {
  return `${queue} ${jobId}`;
}

function parseOptional(json: string | undefined): Checkpoint | undefined {
  return json === undefined || json === '' ? undefined : Checkpoint.parse(JSON.parse(json));
}
