import { ModelManagerError } from '@aimm/contracts';

/** What becomes of a job after a call failed. */
export type Decision =
  /** `pauseMs`: this one would not wait so long, and the provider asked all of us to. */
  | { action: 'stop'; error: ModelManagerError; pauseMs?: number }
  /** Try again after `delayMs`; costs one of the attempts. */
  | { action: 'retry'; delayMs: number; error: ModelManagerError }
  /** The provider asked all of us to wait; costs no attempt. */
  | { action: 'pause'; delayMs: number; error: ModelManagerError }
  /** Our own limit for the provider is used up: its queue waits, and this job at the front of it. */
  | { action: 'requeue'; delayMs: number; error: ModelManagerError }
  /** This job alone waits; costs no attempt. */
  | { action: 'delay'; delayMs: number; error: ModelManagerError }
  /** This worker is leaving: another takes the job at once. */
  | { action: 'hand_back'; error: ModelManagerError };

export interface Situation {
  /** Attempts used, this one included. */
  attempt: number;
  attempts: number;
  /** Calls that the request has made, those that cost no attempt included; default 1. */
  calls?: number | undefined;
  deadlineAt: number;
  startBy?: number | undefined;
  now: number;
  leaving: boolean;
  /** 0 ≤ x < 1, for jitter. */
  random: number;
}

const baseDelayMs = 500;
const maxDelayMs = 30_000;
/** When a provider says "too many" and not until when. */
const defaultPauseMs = 5_000;
/** A provider that says "too many, and come back at once" is asked ever more rarely, from this on. */
const leastPauseMs = 250;

/** Maps an error to what BullMQ is to do with the job. Pure. */
export function decide(error: ModelManagerError, situation: Situation): Decision {
  const { attempt, attempts, deadlineAt, startBy, now, leaving, random } = situation;
  if (leaving && error.code === 'cancelled') return { action: 'hand_back', error };
  if (!error.retryable) return { action: 'stop', error };

  const pauses = error.code === 'rate_limited' || error.code === 'overloaded';
  const delayMs = pauses
    ? toPauseMs(error.retryAfterMs, situation.calls ?? 1) + Math.round(random * 250)
    : Math.max(error.retryAfterMs ?? 0, Math.round(backoff(attempt) * random));
  const latest = Math.min(deadlineAt, startBy ?? Number.POSITIVE_INFINITY);

  if (now + delayMs >= latest) {
    if (!pauses) return { action: 'stop', error };
    const isImpatient = now + delayMs < deadlineAt;
    return { action: 'stop', error: outOfTime(error, delayMs), ...(isImpatient && { pauseMs: delayMs }) };
  }
  if (pauses) return { action: 'pause', delayMs, error };
  return attempt < attempts ? { action: 'retry', delayMs, error } : { action: 'stop', error };
}

/** As long as the provider asks; where it names no time, or none that means anything, longer with each refusal. */
function toPauseMs(askedMs: number | undefined, calls: number): number {
  if (askedMs !== undefined && askedMs >= leastPauseMs) return askedMs;
  const grown = Math.min(maxDelayMs, leastPauseMs * 2 ** (calls - 1));
  return askedMs === undefined ? Math.max(defaultPauseMs, grown) : grown;
}

function backoff(attempt: number): number {
  return Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
}

function outOfTime(error: ModelManagerError, delayMs: number): ModelManagerError {
  return new ModelManagerError(error.code, error.message, {
    provider: error.provider,
    retryAfterMs: delayMs,
    retryable: true,
    hint: `The provider asks to wait ${Math.ceil(delayMs / 1000)} s, longer than this request may wait. Give it more time or ask another model.`,
    cause: error,
  });
}
