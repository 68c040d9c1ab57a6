import type { Logger } from '@aimm/runtime';

/** While the same goes on, the next line comes twice as late as the one before it, up to this. */
const longestMs = 60_000;

interface Seen {
  at: number;
  /** From `at` on nothing is logged for so long. */
  quietMs: number;
  suppressed: number;
}

/**
 * A listener for `error` events that logs each message at most once in `intervalMs`, then more and more rarely, and counts the rest:
 * during an outage a worker emits thousands a second. `facts` stand in the line: of several places that say the same, the first.
 */
export function createErrorLog(
  logger: Logger,
  message: string,
  intervalMs = 10_000,
): (error: Error, facts?: object) => void {
  const seen = new Map<string, Seen>();
  return (error, facts) => {
    const now = Date.now();
    const last = seen.get(error.message);
    if (last !== undefined && now - last.at < last.quietMs) {
      last.suppressed += 1;
      return;
    }
    logger.warn({ ...facts, reason: error.message, suppressed: last?.suppressed ?? 0 }, message);
    if (seen.size > 100) seen.clear();
    const goesOn = last !== undefined && now - last.at < 2 * last.quietMs;
    const quietMs = goesOn ? Math.min(Math.max(longestMs, intervalMs), 2 * last.quietMs) : intervalMs;
    seen.set(error.message, { at: now, quietMs, suppressed: 0 });
  };
}
