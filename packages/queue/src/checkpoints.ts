import { Checkpoint, Outcome } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import {
  type AdmissionNeed,
  type LimitScope,
  type Refusal,
  toRefusal,
  toScopeArguments,
  toScopeKeys,
  toSettledScopes,
} from './admission.ts';
import { admitLua, keysPerScope, settleLua } from './admission-scripts.ts';
import { isOutOfMemory, redisFull } from './connection.ts';
import { fields, keys, requestIdOf, toMember } from './names.ts';

/**
 * A job's memory across crashes, kept in fields of its own hash. Every write is fenced: it happens only while the
 * writer holds the job's lock, so a worker that was paused past its lock cannot overwrite its successor's.
 */
const ownedLua = `if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end`;

/**
 * Asks the limits, where a call is about to start, and notes what it reserved; nobody calls what was set aside a moment ago
 * by another worker. KEYS and ARGV as in `toStartArguments`.
 */
const admitCallLua = `
local function admitCall()
  if ARGV[8] ~= '' then
    local seen = redis.call('HMGET', KEYS[8], ARGV[8], ARGV[9])
    if seen[1] or seen[2] then return {'aside'} end
  end
  if ARGV[10] == '0' then return nil end
  local refused = admit(10, 10, ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), KEYS[3])
  if refused then return {'refused', unpack(refused)} end
  if ARGV[6] == '1' then redis.call('HSET', KEYS[1], '${fields.reserved}', ARGV[5] .. ' ' .. integer(admittedAt)) end
end`;

/**
 * From the first word of a call until its row is in the ledger the job stands in a sorted set, by the time since when: the
 * reconciler looks through that set, and never through all jobs.
 */
const unsettledLua = (member: string, now: string) => `
redis.call('ZADD', KEYS[4], 'NX', string.format('%.0f', math.floor(${now} / 1000)), ${member})`;
/** The very instant that the limits decided by, where they were asked. */
const startedLua = unsettledLua('ARGV[3]', '(admittedAt or instant())');

/**
 * With each job that it gives out BullMQ wakes workers for another: where none waits they would all ask in vain, this one among
 * them. Whoever adds one wakes them again.
 */
const letSleepLua = `
if redis.call('ZCARD', KEYS[6]) == 0 and redis.call('LLEN', KEYS[5]) == 0 then redis.call('ZREM', KEYS[7], '0') end`;

const openScript = `${ownedLua}
${letSleepLua}
${admitLua}
${admitCallLua}
local seen = redis.call('HMGET', KEYS[1], '${fields.cancel}', '${fields.outcome}', '${fields.checkpoint}')
-- A job that was added for its request after somebody cancelled that calls nobody either.
if seen[1] or (not seen[2] and redis.call('EXISTS', KEYS[9]) == 1) then return {'cancelled', seen[3] or ''} end
if seen[2] then return {'settled', seen[2], seen[3] or ''} end
-- Our own first write, sent again by a connection that lost the answer to it, is no earlier run.
if seen[3] then return seen[3] == ARGV[2] and {'fresh'} or {'resumed', seen[3]} end
local refused = admitCall()
if refused then return refused end
redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
${startedLua}
return {'fresh'}`;

/** A further call: as `open` for the first, and as `save` for what the one before left. */
const startScript = `${ownedLua}
${admitLua}
${settleLua}
${admitCallLua}
if redis.call('HGET', KEYS[1], '${fields.checkpoint}') == ARGV[2] then return {'fresh'} end
if ARGV[10] ~= '0' then settle(KEYS[1], 10, 10, ARGV[3], ARGV[7], false) end
local refused = admitCall()
if refused then return refused end
redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
redis.call('HDEL', KEYS[1], '${fields.outcome}', '${fields.partial}')
${startedLua}
return {'fresh'}`;

/**
 * KEYS: job, lock, reply stream, unsettled jobs, scopes. ARGV: token, checkpoint ('' keeps), outcome ('' removes it and the
 * partial text), reply ('' sends none), stream length, member, tokens used, scopes. A Redis that is out of memory takes this
 * all the same: the call is paid for, and there are no more of them than calls at once.
 */
const saveScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
  local time = redis.call('TIME')
  ${unsettledLua('ARGV[6]', '(time[1] * 1000000 + time[2])')}
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '${fields.outcome}', ARGV[3]) else redis.call('HDEL', KEYS[1], '${fields.outcome}', '${fields.partial}') end
if ARGV[4] ~= '' then redis.call('XADD', KEYS[3], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[5], '*', 'r', ARGV[4]) end
if ARGV[8] ~= '0' then
  ${settleLua}
  settle(KEYS[1], 5, 8, ARGV[6], ARGV[7], true)
end
return 1`;

const partialScript = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('HSET', KEYS[1], '${fields.partial}', ARGV[2]) end`;

/** Fenced like the writes: a late word of a worker that lost the job must not hide its successor's calls. */
const accountScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('ZREM', KEYS[2], ARGV[2]) end
return 0`;

type Scripted = Redis & {
  aimmPartial(job: string, lock: string, token: string, text: string): Promise<null>;
  aimmOpen(...given: (string | number)[]): Promise<[string, string?, string?]>;
  aimmStart(...given: (string | number)[]): Promise<[string, ...unknown[]]>;
  aimmSave(...given: (string | number)[]): Promise<number>;
  aimmAccount(lock: string, unsettled: string, token: string, member: string): Promise<number>;
};

/** This worker does not own the job any more: another took it over. Nothing of it may be written. */
export class LockLostError extends Error {
  constructor() {
    super('the job belongs to another worker now');
    this.name = 'LockLostError';
  }
}

/** A call may not start now, and nothing was written: its limits say no, or what it asks was set aside meanwhile. */
export type NotStarted = { state: 'refused'; refusal: Refusal } | { state: 'aside' };

export type Opened =
  | { state: 'fresh' }
  | NotStarted
  /** An earlier run of the job left this behind. */
  | { state: 'resumed'; checkpoint: Checkpoint }
  | { state: 'settled'; outcome: Outcome; checkpoint: Checkpoint | undefined }
  | { state: 'cancelled'; checkpoint: Checkpoint | undefined };

export type Started = { state: 'fresh' } | NotStarted;

export interface JobHandle {
  queue: string;
  jobId: string;
  token: string;
}

/** A call that was admitted and is over. `tokens`: what it used; absent where nobody knows, and the estimate stands. */
export interface EndedCall {
  scopes: readonly LimitScope[];
  tokens?: number | undefined;
}

export interface Checkpoints {
  /**
   * Reads what earlier runs left; where there is nothing, writes `fresh` once the limits of `need` admit its call. One
   * round trip. @throws LockLostError
   */
  open(job: JobHandle, fresh: Checkpoint, need?: AdmissionNeed): Promise<Opened>;
  /**
   * Writes a further call as started once its limits admit it, and accounts for the one before, which used `spent`
   * tokens. @throws LockLostError
   */
  start(job: JobHandle, checkpoint: Checkpoint, need?: AdmissionNeed, spent?: number): Promise<Started>;
  /**
   * Writes atomically what is given: checkpoint, outcome and a reply into a front's stream. Without an outcome the
   * job goes on: one that an earlier run left is removed, as is the text of the call before. `ended`: a call is over,
   * its limits are settled. @throws LockLostError
   */
  save(
    job: JobHandle,
    what: {
      checkpoint?: Checkpoint;
      outcome?: Outcome;
      reply?: { stream: string; json: string };
      ended?: EndedCall | undefined;
    },
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
  redis.defineCommand('aimmOpen', { lua: openScript });
  redis.defineCommand('aimmStart', { lua: startScript });
  redis.defineCommand('aimmSave', { lua: saveScript });
  redis.defineCommand('aimmAccount', { numberOfKeys: 2, lua: accountScript });
  redis.defineCommand('aimmPartial', { numberOfKeys: 2, lua: partialScript });
  const scripted = redis as Scripted;

  return {
    async open(handle, fresh, need) {
      const answer = await scripted.aimmOpen(...toStartArguments(handle, JSON.stringify(fresh), need)).catch(throwFull);
      const [state, first, second] = answer;
      switch (state) {
        case 'refused':
          return { state, refusal: toRefusal(answer.slice(1), need?.scopes ?? []) };
        case 'fresh':
        case 'aside':
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

    async start(handle, checkpoint, need, spent) {
      const answer = await scripted
        .aimmStart(...toStartArguments(handle, JSON.stringify(checkpoint), need, spent))
        .catch(throwFull);
      const [state] = answer;
      switch (state) {
        case 'refused':
          return { state, refusal: toRefusal(answer.slice(1), need?.scopes ?? []) };
        case 'fresh':
        case 'aside':
          return { state };
        default:
          throw new LockLostError();
      }
    },

    async save({ queue, jobId, token }, { checkpoint, outcome, reply, ended }) {
      const job = keys.job(queue, jobId);
      const scopes = toSettledScopes(ended?.scopes ?? []);
      const written = await scripted.aimmSave(
        fixedKeys.save + scopes.length * keysPerScope,
        job,
        keys.jobLock(queue, jobId),
        reply?.stream ?? job,
        keys.unsettled,
        ...toScopeKeys(scopes),
        token,
        checkpoint === undefined ? '' : JSON.stringify(checkpoint),
        outcome === undefined ? '' : JSON.stringify(outcome),
        reply?.json ?? '',
        replyStreamLength,
        toMember({ queue, jobId }),
        ended?.tokens ?? '',
        ...toScopeArguments(scopes, 0),
      );
      if (written === 0) throw new LockLostError();
    },

    async account({ queue, jobId, token }) {
      await scripted.aimmAccount(keys.jobLock(queue, jobId), keys.unsettled, token, toMember({ queue, jobId }));
    },

    async keepPartialText({ queue, jobId, token }, text) {
      await scripted.aimmPartial(keys.job(queue, jobId), keys.jobLock(queue, jobId), token, text);
    },
  };
}

function parseOptional(json: string | undefined): Checkpoint | undefined {
  return json === undefined || json === '' ? undefined : Checkpoint.parse(JSON.parse(json));
}

/** A Redis that is out of memory takes no new calls. */
function throwFull(error: unknown): never {
  throw isOutOfMemory(error) ? redisFull(error) : error;
}

/** Ahead of those of the scopes. */
const fixedKeys = { start: 9, save: 4 };

/** For `open` and `start`. KEYS: job, lock, limiter, unsettled jobs, the queue's two lines and its marker, cooldowns, its request's cancel, scopes. ARGV: token, checkpoint, member, batch, tokens, reserve, spent, the two that may not be set aside, scopes. */
function toStartArguments(
  { queue, jobId, token }: JobHandle,
  checkpoint: string,
  need: AdmissionNeed | undefined,
  spent?: number,
): (string | number)[] {
  const { scopes, tokens, lane, freeOf }: AdmissionNeed = need ?? { scopes: [], tokens: 0, lane: 'interactive' };
  const reserves = scopes.some(({ tokensPerMinute }) => tokensPerMinute !== undefined);
  return [
    fixedKeys.start + scopes.length * keysPerScope,
    keys.job(queue, jobId),
    keys.jobLock(queue, jobId),
    keys.limiter(queue),
    keys.unsettled,
    keys.wait(queue),
    keys.prioritized(queue),
    keys.marker(queue),
    keys.cooldowns,
    keys.cancelled(requestIdOf(jobId)),
    ...toScopeKeys(scopes),
    token,
    checkpoint,
    toMember({ queue, jobId }),
    lane === 'batch' ? 1 : 0,
    tokens,
    reserves ? 1 : 0,
    spent ?? '',
    ...(freeOf ?? ['', '']),
    ...toScopeArguments(scopes, tokens),
  ];
}
