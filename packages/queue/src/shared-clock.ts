import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';

/**
 * The time that all fronts and workers go by: Redis' own, carried on between two looks by this process's monotonic clock.
 * Deadlines cross machines; a machine whose clock is wrong, or jumps, would otherwise end what others have just asked.
 */
export interface SharedClock {
  /** Whole epoch milliseconds, as `Date.now()` gives them. This machine's own, until Redis has answered once. */
  readonly now: () => number;
  /** By how many milliseconds this machine's clock is ahead. */
  readonly skewMs: () => number;
  close(): void;
}

const lookEveryMs = 5_000;
/** An answer that took longer says too little about when it was given. */
const longestLookMs = 250;
/** From here on it is told. */
const noteworthyMs = 5_000;

export function createSharedClock(redis: Redis, logger: Logger): SharedClock {
  let origin = Date.now() - performance.now();
  let hasLooked = false;
  let wasTold = false;
  const now = () => Math.floor(origin + performance.now());
  const skewMs = () => (hasLooked ? Date.now() - now() : 0);

  const look = async () => {
    const askedAt = performance.now();
    const [seconds = 0, microseconds = 0] = await redis.time();
    const answeredAt = performance.now();
    if (hasLooked && answeredAt - askedAt > longestLookMs) return;
    origin = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - (askedAt + answeredAt) / 2;
    hasLooked = true;
    const isOff = Math.abs(skewMs()) > noteworthyMs;
    if (isOff && !wasTold)
      logger.warn(
        { skewMs: Math.round(skewMs()) },
        "This machine's clock differs from that of Redis, which is gone by",
      );
    wasTold = isOff;
  };
  const lookQuietly = () => void (redis.status === 'ready' && look().catch(() => undefined));
  redis.on('ready', lookQuietly);
  lookQuietly();
  const timer = setInterval(lookQuietly, lookEveryMs).unref();
  return {
    now,
    skewMs,
    close() {
      clearInterval(timer);
      redis.off('ready', lookQuietly);
    },
  };
}
