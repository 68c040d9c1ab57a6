import type { Redis } from 'ioredis';
import { lanes } from './fair-scripts.ts';
import { fields, keyPrefix, keys } from './names.ts';

/** How far a job may be passed by younger ones: so many of them, and for so long after the first did. */
const maxPasses = 8;
const maxPassedForMs = 30_000;
/** How many waiting jobs are looked at: enough to find company, few enough for a script that holds Redis up. */
const lookedAt = 64;

/**
 * Takes the foremost waiting job of the wanted model to the front of the line, unless a job before it has been passed
 * often or long enough. KEYS: wait, prioritized. ARGV: prefix of job keys, prefix of request keys, model, now, window.
 *
 * The line is `wait`, from its right end, and then `prioritized`, where interactive jobs come before all batch jobs. Batch
 * jobs are looked at only when no interactive one waits: those go first in any case.
 */
const bringForwardScript = `
local line = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], -ARGV[5], -1)) do table.insert(line, 1, id) end
local listed = #line
local ranked = redis.call('ZRANGE', KEYS[2], 0, ARGV[5] - 1, 'WITHSCORES')
local interactive = ${lanes.batch.returned} * 4294967296
local lastOne = (listed > 0 or (ranked[2] and tonumber(ranked[2]) < interactive)) and interactive or math.huge
for i = 1, #ranked, 2 do
  if tonumber(ranked[i + 1]) < lastOne then line[#line + 1] = ranked[i] end
end
local ahead = {}
for i, id in ipairs(line) do
  local record = redis.call('GET', ARGV[2] .. string.gsub(id, '%-hop%d+$', ''))
  if record and cjson.decode(record)['model'] == ARGV[3] then
    if #ahead == 0 then return 0 end
    if i > listed then redis.call('ZREM', KEYS[2], id) else redis.call('LREM', KEYS[1], -1, id) end
    redis.call('RPUSH', KEYS[1], id)
    for _, job in ipairs(ahead) do
      redis.call('HINCRBY', job, '${fields.passes}', 1)
      redis.call('HSETNX', job, '${fields.passedSince}', ARGV[4])
    end
    return 1
  end
  local job = ARGV[1] .. id
  local seen = redis.call('HMGET', job, '${fields.passes}', '${fields.passedSince}')
  if tonumber(seen[1] or 0) >= ${maxPasses} then return 0 end
  if seen[2] and ARGV[4] - seen[2] >= ${maxPassedForMs} then return 0 end
  if redis.call('EXISTS', job) == 1 then ahead[#ahead + 1] = job end
end
return 0`;

type Scripted = Redis & {
  aimmBringForward(wait: string, prioritized: string, ...argv: (string | number)[]): Promise<number>;
};

export interface SameModelFirst {
  /**
   * Called by the holder of a queue's slot before it lets go: the next job is then one of `model` (`provider/model-id`),
   * where one waits and nobody has to wait too long for it. Returns whether a job was brought forward.
   */
  bringForward(queue: string, model: string): Promise<boolean>;
}

/** For hosts that hold one model at a time and take seconds to load another. `now` in epoch milliseconds. */
export function createSameModelFirst(redis: Redis, now: () => number = Date.now): SameModelFirst {
  redis.defineCommand('aimmBringForward', { numberOfKeys: 2, lua: bringForwardScript });
  const scripted = redis as Scripted;
  return {
    async bringForward(queue, model) {
      const prefixes = [`${keyPrefix}:${queue}:`, keys.request('')];
      const moved = await scripted.aimmBringForward(
        keys.wait(queue),
        keys.prioritized(queue),
        ...prefixes,
        model,
        now(),
        lookedAt,
      );
      return moved === 1;
    },
  };
}
