import { Checkpoint, GenerationResult, Outcome, RequestRecord, type RequestStatus } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { continuesLua } from './checkpoint-scripts.ts';
import { withRedis } from './connection.ts';
import { fields, keys, requestIdOf, toMember } from './names.ts';
import { createListRequestIds, type IndexQuery } from './request-index.ts';
import { type BriefState, createReadBriefStates } from './request-states.ts';
import { askWaiting, toWaiting, type Waiting, waitingReads } from './waiting.ts';
import { toSharedOutcome, toSharedResult } from './shared-answer.ts';

/** Requests can be asked for by id this long after they were made, and completed jobs are kept as long. */
export const requestTtlMs = 24 * 3_600_000;

/** A record is there for as long as its job may still end, and a day after. */
export function toRecordTtlMs({ deadlineAt }: Pick<RequestRecord, 'deadlineAt'>): number {
  return requestTtlMs + Math.max(0, Math.round(deadlineAt - Date.now()));
}

/** Where one job stands, read from its hash and its queue's lists in one round trip. */
export interface JobState {
  /** `missing`: removed, aged out, or lost with a Redis that came back empty. */
  status: RequestStatus | 'missing';
  /** Absent where it succeeded and its answer is not kept any more. */
  outcome?: Outcome;
  /** 1 = next to run; only while queued. */
  position?: number;
  waiting?: Waiting;
  partialText?: string;
  /** BullMQ's own reason, where the job failed without an outcome (it killed its workers, say). */
  failedReason?: string;
  /** Whoever was to make the call for this request is gone. */
  needsLeader?: boolean;
}

export interface Requests {
  find(requestId: string): Promise<RequestRecord | undefined>;
  /** Overwrites the record: a fallback hop moved the job, or it ended before it ran. */
  update(record: RequestRecord): Promise<void>;
  /** Nobody will ask for them any more. */
  forget(requestIds: readonly string[]): Promise<void>;
  readJob(queue: string, jobId: string): Promise<JobState>;
  /** What the request's job has done so far. */
  readCheckpoint(record: Pick<RequestRecord, 'queue' | 'jobId'>): Promise<Checkpoint | undefined>;
  /** The job that answers a request: its own, another's whose call it shares, or the cache. */
  readState(record: RequestRecord): Promise<JobState>;
  /** The newest records first, of those that are still kept; `last` is the id to go on `before`, absent at the end. */
  list(query: IndexQuery): Promise<{ records: RequestRecord[]; last?: string }>;
  /** How jobs stand, without their answers; in the order asked. */
  readBriefStates(places: readonly { queue: string; jobId: string }[]): Promise<BriefState[]>;
}

/**
 * 0: not there. 2: marked; a worker that runs it must be told. 3: it had ended. 4: marked, and it must not be removed:
 * its hash is all that is known of a call that a crash cut off. 5: the request goes on as another job, or is about to. KEYS: job,
 * unsettled jobs, the request's mark, which keeps every job of it that begins later from calling anybody. ARGV: epoch ms, the job's member,
 * the life of the request's mark in ms ('' for none).
 */
const markScript = `
local seen = redis.call('HMGET', KEYS[1], 'timestamp', 'finishedOn', '${fields.outcome}')
local goesOn = ${continuesLua('seen[3]')}
if not goesOn and (seen[2] or seen[3]) then return 3 end
if ARGV[3] ~= '' then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[3]) end
if goesOn or (not seen[1] and redis.call('HEXISTS', KEYS[1], '${fields.moved}') == 1) then return 5 end
if not seen[1] then return 0 end
redis.call('HSET', KEYS[1], '${fields.cancel}', ARGV[1])
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 4 end
return 2`;

export function createRequests(redis: Redis): Requests {
  const listIds = createListRequestIds(redis);
  return {
    readBriefStates: createReadBriefStates(redis),
    async list(query) {
      const ids = await listIds(query, Date.now() - requestTtlMs);
      const [oldest] = ids.slice(-1);
      if (oldest === undefined) return { records: [] };
      const found = await withRedis(redis, () => redis.mget(ids.map((id) => keys.request(id))));
      const records = found.flatMap((json) => (json === null ? [] : [RequestRecord.parse(JSON.parse(json))]));
      return { records, ...(ids.length === query.limit && { last: oldest }) };
    },
    async find(requestId) {
      const json = await withRedis(redis, () => redis.get(keys.request(requestId)));
      return json === null ? undefined : RequestRecord.parse(JSON.parse(json));
    },
    async update(record) {
      await withRedis(redis, () =>
        redis.set(keys.request(record.requestId), JSON.stringify(record), 'PX', toRecordTtlMs(record)),
      );
    },
    async forget(requestIds) {
      if (requestIds.length === 0) return;
      await withRedis(redis, () => redis.unlink(...requestIds.map((id) => keys.request(id))));
    },
    async readCheckpoint({ queue, jobId }) {
      const json = await withRedis(redis, () => redis.hget(keys.job(queue, jobId), fields.checkpoint));
      return json === null ? undefined : Checkpoint.parse(JSON.parse(json));
    },
    readJob: (queue, jobId) => withRedis(redis, () => readJob(redis, queue, jobId)),
    readState: (record) => withRedis(redis, () => readState(redis, record)),
  };
}

async function readState(redis: Redis, record: RequestRecord): Promise<JobState> {
  if (record.cached !== undefined) return readCached(redis, record.requestId, record.cached);
  if (record.follows !== true || record.flight === undefined) return readJob(redis, record.queue, record.jobId);
  const [leaderId, landed] = await redis.hmget(keys.flight(record.flight.id), 'leader', 'landed');
  const json = leaderId == null ? null : await redis.get(keys.request(leaderId));
  const leader = json === null ? undefined : RequestRecord.parse(JSON.parse(json));
  const state: JobState =
    leader === undefined ? { status: 'missing' } : await readJob(redis, leader.queue, leader.jobId);
  if (landed != null) {
    return state.outcome === undefined
      ? state
      : { ...state, outcome: toSharedOutcome(state.outcome, record.requestId) };
  }
  // Its end is everybody's only once they were told: a failure of its own hands the call on.
  if (state.status === 'missing' || state.failedReason !== undefined) return { status: 'queued', needsLeader: true };
  if (state.outcome === undefined) return state;
  return { status: 'running', ...(state.outcome.status === 'failed' && { needsLeader: true }) };
}

async function readCached(redis: Redis, requestId: string, key: string): Promise<JobState> {
  const json = await redis.get(keys.cache(key));
  if (json === null) return { status: 'missing' };
  const result = GenerationResult.parse(JSON.parse(json));
  return { status: 'succeeded', outcome: { status: 'succeeded', value: toSharedResult(result, requestId) } };
}

async function readJob(redis: Redis, queue: string, jobId: string): Promise<JobState> {
  const asked = redis
    .pipeline()
    .hmget(
      keys.job(queue, jobId),
      'timestamp',
      fields.outcome,
      fields.partial,
      fields.cancel,
      'failedReason',
      'finishedOn',
    )
    .exists(keys.jobLock(queue, jobId));
  const answers = await askWaiting(asked, queue, jobId).exec();
  const value = (index: number): unknown => {
    const [error, result] = answers?.[index] ?? [new Error('no answer'), undefined];
    if (error !== null) throw error;
    return result;
  };
  const [timestamp, outcomeJson, partial, cancel, failedReason, finishedOn] = value(0) as (string | null)[];
  if (timestamp == null) return { status: 'missing' };
  const text = partial == null ? {} : { partialText: partial };
  if (outcomeJson != null) {
    const outcome = Outcome.parse(JSON.parse(outcomeJson));
    // Null: its answer was removed.
    if (outcome.status === 'succeeded') return { status: 'succeeded', ...(outcome.value !== null && { outcome }) };
    if (outcome.continues === true) return { status: 'running' };
    return { status: outcome.error.code === 'cancelled' ? 'cancelled' : 'failed', outcome, ...text };
  }
  if (failedReason != null && finishedOn != null)
    return { status: cancel == null ? 'failed' : 'cancelled', failedReason };

  if (value(1) === 1) return { status: 'running', ...text };
  const places = Array.from({ length: waitingReads }, (_, index) => value(index + 2));
  const waiting = toWaiting(places, Date.now());
  const position = waiting?.position === undefined ? {} : { position: waiting.position };
  return { status: 'queued', ...position, ...(waiting !== undefined && { waiting }), ...text };
}

type Scripted = Redis & {
  aimmMark(job: string, unsettled: string, cancelled: string, ...argv: (string | number)[]): Promise<number>;
};

/** Marks a job as cancelled, so that no worker starts it any more; and, `asWhole`, whatever job its request may go on as. */
export function createCancelMark(
  redis: Redis,
): (
  queue: string,
  jobId: string,
  options?: { asWhole?: boolean },
) => Promise<'missing' | 'marked' | 'begun' | 'ended' | 'moved'> {
  redis.defineCommand('aimmMark', { numberOfKeys: 3, lua: markScript });
  return async (queue, jobId, { asWhole = false } = {}) => {
    const code = await withRedis(redis, () =>
      (redis as Scripted).aimmMark(
        keys.job(queue, jobId),
        keys.unsettled,
        keys.cancelled(requestIdOf(jobId)),
        Date.now(),
        toMember({ queue, jobId }),
        asWhole ? requestTtlMs : '',
      ),
    );
    return ({ 0: 'missing', 3: 'ended', 4: 'begun', 5: 'moved' } as const)[code] ?? 'marked';
  };
}
