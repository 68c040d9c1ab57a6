import { setTimeout as delay } from 'node:timers/promises';
import { GenerationResult } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';

/** Answers kept by a key made of everything that changes them. A cache that fails is a cache miss. */
export interface ResponseCache {
  find(key: string): Promise<GenerationResult | undefined>;
  keep(key: string, result: GenerationResult, ttlMs: number): Promise<void>;
}

/** An add must fail within 2 s; a Redis that hangs may not use that up before. */
const answerWithinMs = 250;

export function createResponseCache(redis: Redis): ResponseCache {
  return {
    async find(key) {
      const asked = redis.get(keys.cache(key)).catch(() => null);
      const json = await Promise.race([asked, delay(answerWithinMs, null, { ref: false })]);
      const parsed = json === null ? undefined : GenerationResult.safeParse(JSON.parse(json));
      return parsed?.data;
    },
    async keep(key, result, ttlMs) {
      await redis.set(keys.cache(key), JSON.stringify(result), 'PX', ttlMs).catch(() => undefined);
    },
  };
}
