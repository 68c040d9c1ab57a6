import { reserveLua } from './budget-scripts.ts';
import { keyPrefix } from './names.ts';
import { rememberLua } from './request-index.ts';

/**
 * A flight is a hash: `leader` the request that makes the call, `f:<request>` a follower's payload without its `request`, which is
 * the same for all and stands once in `request`; `after:<request>` who led after it; `landed` once all have their answer; `attempt` the
 * call that is told of, `long` once it said more than is kept. The slot, found by what is asked, names the flight that is under way.
 * Beside it stand what was said so far and the reply streams of those who want to hear it (`tell-script.ts`).
 */
const besideLua = `
local function beside(name, id) return '${keyPrefix}:' .. name .. ':' .. id end
local function hush(id) redis.call('DEL', beside('said', id)) end
local function close(id) redis.call('DEL', beside('said', id), beside('listeners', id)) end`;

/**
 * Answers from the cache, joins a flight, or leads one, for which the budgets must have room.
 * KEYS: cached answer, slot, the request's record, index, requesters. ARGV: request, slot's life in ms, record's life in ms, the record of one that was
 * answered, the record of a follower (before and after the flight's id), the follower, what is asked, budgets,
 * member of the index, epoch ms, client, the reply stream of one who wants to hear the answer as it comes ('' for none), stream length.
 */
export const joinScript = `${reserveLua}${rememberLua}${besideLua}
local cached = redis.call('GET', KEYS[1])
if cached then
  remember(KEYS[3], KEYS[4], KEYS[5], ARGV[4], ARGV[3], ARGV[10], ARGV[11], ARGV[12])
  return {'cached', cached}
end
local id = redis.call('GET', KEYS[2])
if id and id ~= ARGV[1] then
  local flight = '${keyPrefix}:flight:' .. id
  if redis.call('HEXISTS', flight, 'leader') == 1 then
    redis.call('HSET', flight, 'f:' .. ARGV[1], ARGV[7])
    redis.call('HSETNX', flight, 'request', ARGV[8])
    redis.call('PEXPIRE', flight, math.max(redis.call('PTTL', flight), tonumber(ARGV[3])))
    remember(KEYS[3], KEYS[4], KEYS[5], ARGV[5] .. id .. ARGV[6], ARGV[3], ARGV[10], ARGV[11], ARGV[12])
    local at = redis.call('HMGET', flight, 'leader', 'long')
    if ARGV[13] ~= '' and not at[2] then
      -- In one step with what is told: nothing is missing between what was said and what comes.
      redis.call('SADD', beside('listeners', id), ARGV[13])
      redis.call('PEXPIRE', beside('listeners', id), ARGV[3])
      local joined = '{"requestId":"' .. ARGV[1] .. '","attempt":0,"seq":0,"type":"joined","flight":"' .. id .. '","leader":"' .. at[1]
        .. '","text":"' .. (redis.call('GET', beside('said', id)) or '') .. '"}'
      redis.call('XADD', ARGV[13], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[14], '*', 'r', joined)
    end
    return {'following', id}
  end
end
if ARGV[9] ~= '' then
  local reserved = reserve(cjson.decode(ARGV[9]))
  if reserved[1] ~= 'held' then return reserved end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local own = '${keyPrefix}:flight:' .. ARGV[1]
redis.call('HSET', own, 'leader', ARGV[1])
redis.call('PEXPIRE', own, ARGV[3])
return {'leading'}`;

/**
 * Gives every follower the leader's end, and keeps the answer where it is to be kept: from here on whoever asks the same finds it.
 * KEYS: the leader's lock, flight, slot, cached answer. ARGV: lock's token ('' for none), leader, flight's id, answer to keep ('' for
 * none), its life in ms, stream length, then the reply in pieces between which each follower's id goes. Gives the followers.
 */
export const landScript = `#!lua flags=allow-oom${besideLua}
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return {} end
if ARGV[4] ~= '' then redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[5]) end
if redis.call('HGET', KEYS[2], 'leader') ~= ARGV[2] then return {} end
if redis.call('GET', KEYS[3]) == ARGV[3] then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[2], 'landed', 1)
redis.call('HDEL', KEYS[2], 'request', 'attempt', 'long')
close(ARGV[3])
local followers = {}
local fields = redis.call('HGETALL', KEYS[2])
for index = 1, #fields, 2 do
  local id = string.match(fields[index], '^f:(.*)')
  if id and id ~= ARGV[2] then
    followers[#followers + 1] = fields[index + 1]
    local stream = cjson.decode(fields[index + 1])['replyTo']
    if stream then
      local reply = table.concat(ARGV, id, 7)
      redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[6], '*', 'r', reply)
    end
  end
end
if #followers == 0 then redis.call('DEL', KEYS[2]) end
return followers`;

/**
 * A flight whose leader is gone gets the follower who has waited longest as its next. Can be repeated: the same leader has the same
 * heir. KEYS: the leader's lock, flight, slot. ARGV: lock's token ('' for none), leader, flight's id, what those are told who listen, where
 * its call broke after it had said something ('' where not), stream length. Gives heir and what it asks.
 *
 * Who was shown the text of a call that broke, and allows no restart, is no heir; where nobody else is left it gives 'shown'.
 */
export const promoteScript = `#!lua flags=allow-oom${besideLua}
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return {} end
local heir = redis.call('HGET', KEYS[2], 'after:' .. ARGV[2])
if not heir then
  local at = redis.call('HMGET', KEYS[2], 'leader', 'landed')
  if at[1] ~= ARGV[2] or at[2] then return {} end
  local wasShown = false
  for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
    local id = string.match(field, '^f:(.*)')
    if id and id ~= ARGV[2] and (not heir or id < heir) then
      local follower = ARGV[4] ~= '' and cjson.decode(redis.call('HGET', KEYS[2], field)) or {}
      if follower['stream'] == true and follower['allowRestart'] ~= true then wasShown = true else heir = id end
    end
  end
  if wasShown and not heir then return {'shown'} end
  if ARGV[4] ~= '' then
    for _, stream in ipairs(redis.call('SMEMBERS', beside('listeners', ARGV[3]))) do
      redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[5], '*', 'r', ARGV[4])
    end
  end
  hush(ARGV[3])
  redis.call('HDEL', KEYS[2], 'attempt', 'long')
  if not heir then
    redis.call('DEL', KEYS[2])
    close(ARGV[3])
    if redis.call('GET', KEYS[3]) == ARGV[3] then redis.call('DEL', KEYS[3]) end
    return {}
  end
  redis.call('HSET', KEYS[2], 'leader', heir, 'after:' .. ARGV[2], heir)
  redis.call('HDEL', KEYS[2], 'f:' .. ARGV[2])
  if redis.call('GET', KEYS[3]) == ARGV[3] then
    redis.call('PEXPIRE', KEYS[3], math.max(redis.call('PTTL', KEYS[3]), redis.call('PTTL', KEYS[2])))
  end
end
local found = redis.call('HMGET', KEYS[2], 'f:' .. heir, 'request')
if not found[1] or not found[2] then return {} end
return found`;

/** KEYS: flight. ARGV: follower. 0: it leads, has its answer, or is not there. */
export const leaveScript = `
local at = redis.call('HMGET', KEYS[1], 'leader', 'landed')
if at[1] == ARGV[1] or at[2] then return 0 end
return redis.call('HDEL', KEYS[1], 'f:' .. ARGV[1])`;
