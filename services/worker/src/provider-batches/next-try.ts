import type { ModelManagerError } from '@aimm/contracts';
import type { BatchEndpoint } from '@aimm/providers';
import type { Held, ProviderBatchPace, StepContext } from './keeper-options.ts';

/** When to look again: later each time, up to the longest, never before the vendor's word; spread, so that not all come at once. */
export function nextTryAt(
  { tries }: { tries: number },
  { now, pace }: Pick<StepContext, 'now' | 'pace'>,
  error?: ModelManagerError,
  random: () => number = Math.random,
): number {
  const grownMs = Math.min(pace.longestPollMs, pace.firstPollMs * 1.5 ** Math.min(tries, 30));
  const spreadMs = grownMs * (0.8 + 0.4 * random());
  return now() + Math.max(spreadMs, error?.retryAfterMs ?? 0);
}

/** Whether what was not done is submitted once more. */
export function mayGoOn({ submission, batch }: Held, { pace }: Pick<StepContext, 'pace'>): boolean {
  return submission.round < pace.maxRounds && batch.status !== 'cancelled';
}

/** How long a vendor is waited for, in milliseconds: twice its own time for a batch. What is not known by then, nobody will say. */
export function toPatienceMs({ limits }: Pick<BatchEndpoint, 'limits'>): number {
  return 2 * limits.expiresAfterMs;
}

/** As many tries as fit into the time that a vendor is waited for, at the slowest pace. */
export function isInVain(
  tries: number,
  endpoint: Pick<BatchEndpoint, 'limits'>,
  { longestPollMs }: Pick<ProviderBatchPace, 'longestPollMs'>,
): boolean {
  return tries * longestPollMs >= toPatienceMs(endpoint);
}
