import { Outcome, RequestRecord, type RequestStatus } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { toUnsettledMember } from './checkpoints.ts';
import { withRedis } from './connection.ts';
import { fields, keys } from './names.ts';

/** Requests can be asked for by id this long after they were made, and completed jobs are kept as long. */
export const requestTtlMs = 24 * 3_600_000;

/** Where one job stands, read from its hash and its queue's lists in one round trip. */
export interface JobState {
  /** `missing`: removed, aged out, or lost with a Redis that came back empty. */
  status: RequestStatus | 'missing';
  outcome?: Outcome;
  /** 1 = next to run; only while queued. */
  position?: number;
  partialText?: string;
  /** BullMQ's own reason, where the job failed without an outcome (it killed its workers, say). */
  failedReason?: string;
}

export interface Requests {
  find(requestId: string): Promise<RequestRecord | undefined>;
  /** Overwrites the record: a fallback hop moved the job, or it ended before it ran. */
  update(record: RequestRecord): Promise<void>;
  readJob(queue: string, jobId: string): Promise<JobState>;
}

/**
 * 0: not there. 2: marked; a worker that runs it must be told. 3: it had ended. 4: marked, and it must not be removed:
 * its hash is all that is known of a call that a crash cut off.
 */
const markScript = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], 'finishedOn') == 1 or redis.call('HEXISTS', KEYS[1], '${fields.outcome}') == 1 then return 3 end
redis.call('HSET', KEYS[1], '${fields.cancel}', ARGV[1])
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 4 end
return 2`;

export function createRequests(redis: Redis): Requests {
  return {
    async find(requestId) {
      const json = await withRedis(redis, () => redis.get(keys.request(requestId)));
      return json === null ? undefined : RequestRecord.parse(JSON.parse(json));
    },
    async update(record) {
      await withRedis(redis, () =>
        redis.set(keys.request(record.requestId), JSON.stringify(record), 'PX', requestTtlMs),
      );
    },
    readJob: (queue, jobId) => withRedis(redis, () => readJob(redis, queue, jobId)),
  };
}

async function readJob(redis: Redis, queue: string, jobId: string): Promise<JobState> {
  const answers = await redis
    .pipeline()
    .hmget(
      keys.job(queue, jobId),
      'timestamp',
      fields.outcome,
      fields.partial,
      fields.cancel,
      'failedReason',
      'finishedOn',
      'processedOn',
    )
    .exists(keys.jobLock(queue, jobId))
    .lpos(keys.wait(queue), jobId, 'RANK', -1)
    .llen(keys.wait(queue))
    .zrank(keys.prioritized(queue), jobId)
    .exec();
  const value = (index: number): unknown => {
    const [error, result] = answers?.[index] ?? [new Error('no answer'), undefined];
    if (error !== null) throw error;
    return result;
  };
  const [timestamp, outcomeJson, partial, cancel, failedReason, finishedOn] = value(0) as (string | null)[];
  if (timestamp == null) return { status: 'missing' };
  if (outcomeJson != null) {
    const outcome = Outcome.parse(JSON.parse(outcomeJson));
    if (outcome.status === 'succeeded') return { status: 'succeeded', outcome };
    if (outcome.continues === true) return { status: 'running' };
    return { status: outcome.error.code === 'cancelled' ? 'cancelled' : 'failed', outcome };
  }
  if (failedReason != null && finishedOn != null)
    return { status: cancel == null ? 'failed' : 'cancelled', failedReason };

  const text = partial == null ? {} : { partialText: partial };
  if (value(1) === 1) return { status: 'running', ...text };
  const [fromHead, waiting, rank] = [value(2), value(3), value(4)] as (number | null)[];
  // Jobs are pushed at the head and taken from the tail; prioritised ones come after all of those.
  if (fromHead != null && waiting != null) return { status: 'queued', position: waiting - fromHead, ...text };
  if (rank != null) return { status: 'queued', position: (waiting ?? 0) + rank + 1, ...text };
  return { status: 'queued', ...text };
}

type Scripted = Redis & { aimmMark(job: string, unsettled: string, now: number, member: string): Promise<number> };

/** Marks a job as cancelled, so that no worker starts it any more. */
export function createCancelMark(
  redis: Redis,
): (queue: string, jobId: string) => Promise<'missing' | 'marked' | 'begun' | 'ended'> {
  redis.defineCommand('aimmMark', { numberOfKeys: 2, lua: markScript });
  return async (queue, jobId) => {
    const member = toUnsettledMember({ queue, jobId });
    const code = await withRedis(redis, () =>
      (redis as Scripted).aimmMark(keys.job(queue, jobId), keys.unsettled, Date.now(), member),
    );
    return code === 0 ? 'missing' : code === 3 ? 'ended' : code === 4 ? 'begun' : 'marked';
  };
}
