import { fields } from './names.ts';

/**
 * Chooses the member of a pool with the least to do for what it can do at once, and counts the choice until its job is
 * there. KEYS: turn, cooldowns, then wait, active, prioritized and picks of each member. ARGV: id of the choice, how long it
 * counts, then provider, model and calls at once of each member. Returns the member's number from 1.
 *
 * What is set aside comes last; among equals they take turns.
 */
export const pickScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function isAside(scope)
  local json = redis.call('HGET', KEYS[2], scope)
  if not json then return false end
  local entry = cjson.decode(json)
  return entry['until'] > now or (entry.probeUntil ~= nil and entry.probeUntil > now)
end
local members = (#ARGV - 2) / 3
local turn = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 86400000)
local best, least
for step = 0, members - 1 do
  local member = (turn + step) % members
  local own, provider = 3 + member * 4, ARGV[3 + member * 3]
  redis.call('ZREMRANGEBYSCORE', KEYS[own + 3], '-inf', now)
  local work = redis.call('LLEN', KEYS[own]) + redis.call('LLEN', KEYS[own + 1]) + redis.call('ZCARD', KEYS[own + 2])
    + redis.call('ZCARD', KEYS[own + 3])
  local load = work / tonumber(ARGV[5 + member * 3])
  if isAside(provider) or isAside(provider .. '/' .. ARGV[4 + member * 3]) then load = load + 1000000 end
  if not least or load < least then best, least = member, load end
end
local picks = KEYS[6 + best * 4]
redis.call('ZADD', picks, now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', picks, ARGV[2])
return best + 1`;

/**
 * Ends a job that waits in favour of another that is added next; a worker that meets it before it is removed adds that other
 * again. KEYS: job, lock, unsettled jobs. ARGV: outcome, calls that it made, the job in that set. Returns 0 where it runs, has
 * ended or was cancelled, and where a crash cut off a call of it: only a worker can account for that.
 */
export const handOverScript = `
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('ZSCORE', KEYS[3], ARGV[3]) then return 0 end
local seen = redis.call('HMGET', KEYS[1], 'data', '${fields.outcome}', '${fields.cancel}', 'finishedOn', '${fields.checkpoint}')
-- Its successor's calls count on from those that were made.
local calls = seen[5] and #cjson.decode(seen[5])['calls'] or 0
if calls ~= tonumber(ARGV[2]) then return 0 end
if not seen[1] or seen[2] or seen[3] or seen[4] then return 0 end
redis.call('HSET', KEYS[1], '${fields.outcome}', ARGV[1])
return 1`;

/**
 * Takes a handed-over job out of its queue. What is left is a mark under its id, for as long as it may be asked for: were the
 * same hop added again after the request had gone on from it, it would run twice. KEYS: job, lock, wait, prioritized, delayed.
 * ARGV: id, how long the mark stays.
 */
export const discardScript = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local removed = redis.call('LREM', KEYS[3], -1, ARGV[1]) + redis.call('ZREM', KEYS[4], ARGV[1]) + redis.call('ZREM', KEYS[5], ARGV[1])
if removed == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '${fields.moved}', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/**
 * Finds work for a member of a pool that has room and nothing waiting: the foremost job that waits at another member without
 * room, or has waited there for a while, and has made no call yet. KEYS: own wait, active, prioritized; the other's wait,
 * active, prioritized. ARGV: own calls at once and how many of those that run are about to end, prefix of the other's jobs,
 * prefix of request keys, the other's calls at once, then the pools. Returns id and pool.
 */
export const findWorkScript = `
if redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[3]) > 0 then return false end
if redis.call('LLEN', KEYS[2]) - tonumber(ARGV[2]) >= tonumber(ARGV[1]) then return false end
local full = redis.call('LLEN', KEYS[5]) >= tonumber(ARGV[5])
local time = redis.call('TIME')
local since = time[1] * 1000 + math.floor(time[2] / 1000) - 500
local line = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[4], -64, -1)) do table.insert(line, 1, id) end
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, 63)) do line[#line + 1] = id end
for _, id in ipairs(line) do
  local record = redis.call('GET', ARGV[4] .. string.gsub(id, '%-hop%d+$', ''))
  local pool = record and cjson.decode(record)['pool']
  if pool then
    for i = 6, #ARGV do
      if ARGV[i] == pool then
        local seen = redis.call('HMGET', ARGV[3] .. id, '${fields.outcome}', '${fields.cancel}', '${fields.checkpoint}', 'timestamp')
        local waits = full or tonumber(seen[4] or 0) <= since
        if waits and not seen[1] and not seen[2] and not seen[3] then return { id, pool } end
      end
    end
  end
end
return false`;
