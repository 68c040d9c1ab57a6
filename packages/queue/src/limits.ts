import type { RateLimiterOptions } from 'bullmq';

/** How much more the limiter lets through than the limit: in one second a burst and what follows it. */
const slack = 2;
/** Without a limit there still must be a limiter: BullMQ keeps a pause only where there is one. */
const unlimited: RateLimiterOptions = { max: 1_000_000_000, duration: 1_000 };

/**
 * The coarse gate in front of the exact limits (`admission.ts`): it keeps jobs in the queue that could only be put back,
 * and lets twice the limit through, so that the exact ones are never short of jobs. BullMQ's limiter counts starts in a fixed window; windows of about a
 * second keep starts smooth: `max` starts in the time that `max` starts may take.
 */
export function toLimiter(requestsPerMinute: number | undefined): RateLimiterOptions {
  if (requestsPerMinute === undefined) return unlimited;
  const perMinute = requestsPerMinute * slack;
  const max = Math.max(1, Math.floor(perMinute / 60));
  return { max, duration: Math.ceil((max * 60_000) / perMinute) };
}
