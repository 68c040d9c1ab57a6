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
import { keysPerScope } from './admission-scripts.ts';
import { accountScript, openScript, partialScript, saveScript, startScript } from './checkpoint-scripts.ts';
import { isOutOfMemory, redisFull } from './connection.ts';
import { keys, requestIdOf, toMember } from './names.ts';

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

export type Started = { state: 'fresh' } | NotStarted | { state: 'cancelled' };

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

/** `start`: how often the job was begun by now, this run included. */
export interface Regain {
  start: number;
  lockMs: number;
}

/** A job's memory across crashes, kept in fields of its own hash. Every write happens only while the writer holds the job's lock. */
export interface Checkpoints {
  /**
   * Reads what earlier runs left; where there is nothing, writes `fresh` once the limits of `need` admit its call. One
   * round trip. @throws LockLostError
   */
  open(job: JobHandle, fresh: Checkpoint, need?: AdmissionNeed): Promise<Opened>;
  /**
   * Writes a further call as started once its limits admit it, and accounts for the one before, which used `spent`
   * tokens; nothing where the job was cancelled meanwhile. @throws LockLostError
   */
  start(job: JobHandle, checkpoint: Checkpoint, need?: AdmissionNeed, spent?: number): Promise<Started>;
  /**
   * Writes atomically what is given: checkpoint, outcome and a reply into a front's stream. Without an outcome the
   * job goes on: one that an earlier run left is removed, as is the text of the call before. `ended`: a call is over,
   * its limits are settled. `copy`: where else the outcome is kept for a while. `regain`: where the lock has run out and nobody began the job since, it
   * is taken again. @throws LockLostError
   */
  save(
    job: JobHandle,
    what: {
      checkpoint?: Checkpoint;
      outcome?: Outcome;
      reply?: { stream: string; json: string };
      ended?: EndedCall | undefined;
      copy?: { key: string; keepMs: number } | undefined;
      regain?: Regain | undefined;
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
        case 'cancelled':
          return { state };
        default:
          throw new LockLostError();
      }
    },

    async save({ queue, jobId, token }, { checkpoint, outcome, reply, ended, copy, regain }) {
      const job = keys.job(queue, jobId);
      const scopes = toSettledScopes(ended?.scopes ?? []);
      const written = await scripted.aimmSave(
        fixedKeys.save + scopes.length * keysPerScope,
        job,
        keys.jobLock(queue, jobId),
        reply?.stream ?? job,
        keys.unsettled,
        keys.active(queue),
        copy?.key ?? job,
        ...toScopeKeys(scopes),
        token,
        checkpoint === undefined ? '' : JSON.stringify(checkpoint),
        outcome === undefined ? '' : JSON.stringify(outcome),
        reply?.json ?? '',
        replyStreamLength,
        toMember({ queue, jobId }),
        ended?.tokens ?? '',
        jobId,
        regain?.start ?? '',
        regain?.lockMs ?? 0,
        copy?.keepMs ?? '',
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
const fixedKeys = { start: 9, save: 6 };

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
