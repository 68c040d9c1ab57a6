import type { JobState } from '@aimm/queue';
import type { WaitView } from './progress.ts';

/** How a job waits, in a user's terms. `requestsPerMinute`: its provider's limit, if any. */
export function toWaitView(
  { waiting }: JobState,
  requestsPerMinute: number | undefined,
  now: number,
): WaitView | undefined {
  if (waiting === undefined) return undefined;
  const { position, inLine, reason, until, startsPerSecond } = waiting;
  const heldMs = Math.max(0, (until ?? now) - now);
  const perSecond = Math.min(
    startsPerSecond ?? Number.POSITIVE_INFINITY,
    requestsPerMinute === undefined ? Number.POSITIVE_INFINITY : requestsPerMinute / 60,
  );
  // Where neither the pace nor a limit is known, nothing is said rather than something wrong.
  const turnMs = position === undefined ? 0 : Number.isFinite(perSecond) ? (position * 1_000) / perSecond : undefined;
  return {
    ...(position !== undefined && { position }),
    ...(inLine !== undefined && { inLine }),
    ...(turnMs !== undefined && { estimatedWaitMs: Math.round(heldMs + turnMs) }),
    waitingFor: reason,
    ...(until !== undefined && { waitingUntil: until }),
  };
}
