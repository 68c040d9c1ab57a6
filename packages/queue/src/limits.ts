import type { Queue, RateLimiterOptions } from 'bullmq';

/**
 * BullMQ's limiter counts starts in a fixed window, so a minute-wide one lets almost twice the limit through around
 * its edge. Windows of about a second keep starts smooth: `max` starts in the time that `max` starts may take.
 */
export function toLimiter(requestsPerMinute: number): RateLimiterOptions {
  const max = Math.max(1, Math.floor(requestsPerMinute / 60));
  return { max, duration: Math.ceil((max * 60_000) / requestsPerMinute) };
}

/** Holds all workers of a queue for `ms`; a longer pause that is already in force stays. Returns the pause in force. */
export async function pauseQueue(queue: Queue, ms: number): Promise<number> {
  const remaining = Math.max(0, await queue.getRateLimitTtl());
  if (remaining >= ms) return remaining;
  await queue.rateLimit(ms);
  return ms;
}
