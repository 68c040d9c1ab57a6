import { setTimeout as delay } from 'node:timers/promises';
import { ModelManagerError } from '@aimm/contracts';
import type { Decision, Refusal } from '@aimm/queue';

/** What to do about a call that its limits do not let start yet. */
export type Turn =
  /** It was waited for here: ask again. */
  | { state: 'now' }
  /** Longer than the request may wait. */
  | { state: 'never'; error: ModelManagerError }
  /** The job gives up its slot until then. */
  | { state: 'later'; untilMs: number; decision: Decision };

/** Those that wait in place take up what a queue leaves free while it pauses. */
const coveredMs = 500;
/** A delayed job is taken up a little late: it comes so much early, and waits for its turn in place. */
const earlyMs = 150;
/** Another job may need fewer tokens than this one, and calls under way give back what they did not use. */
const longestTokenPauseMs = 500;

/** Waits where the turn is near. `latest`: epoch milliseconds past which no call starts; `now`: by the same clock. Never throws. */
export async function waitForTurn(
  refusal: Refusal,
  { latest, now, provider, signal }: { latest: number; now: number; provider: string; signal: AbortSignal },
): Promise<Turn> {
  const { waitMs, scope, reason, inPlace } = refusal;
  const leftMs = Math.max(1, latest - now);
  const error = toLimitError(refusal, provider);
  if (reason === 'hold' && waitMs >= leftMs) return { state: 'never', error };
  if (inPlace) {
    // Aborted: whoever asks again finds out why.
    await delay(Math.min(waitMs, leftMs), undefined, { signal }).catch(() => undefined);
    return { state: 'now' };
  }
  const untilMs = now + Math.min(waitMs, leftMs);
  if (scope.kind !== 'provider') {
    const delayMs = Math.max(1, Math.min(reason === 'concurrency' ? waitMs : waitMs - earlyMs, leftMs));
    return { state: 'later', untilMs, decision: { action: 'delay', delayMs, error } };
  }
  const pauseMs = reason === 'tokens' ? Math.min(waitMs, longestTokenPauseMs) : waitMs - coveredMs;
  const delayMs = reason === 'hold' ? waitMs : pauseMs;
  return { state: 'later', untilMs, decision: { action: 'requeue', delayMs, error } };
}

function toLimitError({ scope, reason, waitMs }: Refusal, provider: string): ModelManagerError {
  const who = scope.kind === 'client' ? `The client "${scope.id}"` : scope.id;
  return new ModelManagerError('rate_limited', `${who} ${describe(reason, scope)}.`, {
    provider,
    retryable: true,
    retryAfterMs: waitMs,
    hint: 'The request waits for its turn. Limits are set in config/providers.json and by access tokens; another model may be free.',
  });
}

function describe(reason: Refusal['reason'], scope: Refusal['scope']): string {
  switch (reason) {
    case 'requests':
      return scope.requestsPerMinute === undefined
        ? 'has few requests left, says its vendor'
        : `has used up its ${scope.requestsPerMinute} requests per minute`;
    case 'tokens':
      return scope.tokensPerMinute === undefined
        ? 'has few tokens left, says its vendor'
        : `has used up its ${scope.tokensPerMinute} tokens per minute`;
    case 'concurrency':
      return `has ${scope.concurrency} calls under way, as many as it may`;
    case 'hold':
      return 'asked all of us to wait';
  }
}
