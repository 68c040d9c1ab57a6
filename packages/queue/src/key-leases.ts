import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';

/**
 * Chooses the key with the fewest calls under way, over all workers, and counts the call until it ends. KEYS: the provider's calls,
 * a hash by job: whose key, whose lease, until when it is believed. ARGV: the job's member, its lock, lease, how long it is
 * believed (ms), whose turn it is among equals, then the candidates. Returns the candidate's number from 1.
 *
 * A lease that is older is looked at: one whose job has no lock any more was a killed worker's.
 */
const takeScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counts = {}
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local key, lease, till = string.match(held[i + 1], '^(%S+) (%S+) (%d+) ')
  if held[i] ~= ARGV[1] then
    if tonumber(till) > now then counts[key] = (counts[key] or 0) + 1
    else
      local lock = string.match(held[i + 1], ' (%S+)$')
      if redis.call('EXISTS', lock) == 1 then
        counts[key] = (counts[key] or 0) + 1
        redis.call('HSET', KEYS[1], held[i], key .. ' ' .. lease .. ' ' .. string.format('%.0f', now + ARGV[4]) .. ' ' .. lock)
      else redis.call('HDEL', KEYS[1], held[i]) end
    end
  end
end
local candidates = #ARGV - 5
local best, least
for step = 0, candidates - 1 do
  local number = (tonumber(ARGV[5]) + step) % candidates + 1
  local count = counts[ARGV[5 + number]] or 0
  if not least or count < least then best, least = number, count end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[5 + best] .. ' ' .. ARGV[3] .. ' ' .. string.format('%.0f', now + ARGV[4]) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], 86400000)
return best`;

/** Another worker may have taken the job over, and holds a lease of its own by now. KEYS: as above. ARGV: member, lease. */
const releaseScript = `#!lua flags=allow-oom
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and string.match(held, '^%S+ (%S+) ') == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end`;

type Scripted = Redis & {
  aimmTakeKey(calls: string, ...argv: (string | number)[]): Promise<number>;
  aimmReleaseKey(calls: string, ...argv: string[]): Promise<null>;
};

/** A lease is believed for so long before its job's lock is looked at. */
const believedMs = 2_000;

/** Which of a provider's keys has the fewest calls under way, counted in Redis for all workers. Keys have names there that tell nothing of them. */
export interface KeyLeases {
  /**
   * Takes one of `candidates` for a job's call: its index, and what is to be called at the call's end. One round trip.
   * @throws when Redis does not answer
   */
  take(
    job: { provider: string; jobId: string },
    candidates: readonly string[],
  ): Promise<{ index: number; release: () => void }>;
}

export function createKeyLeases(redis: Redis): KeyLeases {
  redis.defineCommand('aimmTakeKey', { numberOfKeys: 1, lua: takeScript });
  redis.defineCommand('aimmReleaseKey', { numberOfKeys: 1, lua: releaseScript });
  const scripted = redis as Scripted;
  let turn = 0;
  return {
    async take({ provider, jobId }, candidates) {
      const lease = randomUUID();
      const calls = keys.keyCalls(provider);
      const lock = keys.jobLock(provider, jobId);
      const number = await scripted.aimmTakeKey(calls, jobId, lock, lease, believedMs, turn++, ...candidates);
      return {
        index: number - 1,
        // Not waited for: what is lost ends with the job's lock.
        release: () => void scripted.aimmReleaseKey(calls, jobId, lease).catch(() => undefined),
      };
    },
  };
}
