import type { Logger } from '@aimm/runtime';

/**
 * A listener for `error` events that logs each message at most once in `intervalMs` and counts the rest:
 * during an outage a worker emits thousands a second.
 */
export function createErrorLog(logger: Logger, message: string, intervalMs = 10_000): (error: Error) => void {
  const seen = new Map<string, { at: number; suppressed: number }>();
  return (error) => {
    const now = Date.now();
    const last = seen.get(error.message);
    if (last !== undefined && now - last.at < intervalMs) {
      last.suppressed += 1;
      return;
    }
    logger.warn({ reason: error.message, suppressed: last?.suppressed ?? 0 }, message);
    if (seen.size > 100) seen.clear();
    seen.set(error.message, { at: now, suppressed: 0 });
  };
}
