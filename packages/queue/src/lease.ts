import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';

/** Something that one process of all does at a time. */
export interface Lease {
  /** Takes it, or keeps it for `ttlMs` more; false where another process has it. @throws unavailable */
  hold(ttlMs: number): Promise<boolean>;
  /** Lets another have it at once. */
  release(): Promise<void>;
}

const holdScript = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

type Scripted = Redis & {
  aimmHoldLease(key: string, id: string, ttlMs: number): Promise<number>;
  aimmReleaseLease(key: string, id: string): Promise<null>;
};

/** By the clock of Redis: what was held and not held again in time is free. */
export function createLease(redis: Redis, key: string, id: string): Lease {
  redis.defineCommand('aimmHoldLease', { numberOfKeys: 1, lua: holdScript });
  redis.defineCommand('aimmReleaseLease', { numberOfKeys: 1, lua: releaseScript });
  const scripted = redis as Scripted;
  return {
    hold: async (ttlMs) => (await withRedis(redis, () => scripted.aimmHoldLease(key, id, ttlMs))) === 1,
    release: async () => void (await scripted.aimmReleaseLease(key, id)),
  };
}
