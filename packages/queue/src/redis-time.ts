import type { Redis } from 'ioredis';

/** Epoch milliseconds by Redis' clock: for what several machines compare, each with a clock of its own. */
export async function readRedisTime(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
