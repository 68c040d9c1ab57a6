/**
 * A budget's counter in one period is a hash: `spent` and `held` in nano-dollars, `h:<request>` what a request holds, `x:<request>`
 * a hold that ran out and may still be settled, `c:<request>` what of the cost of either is in `spent` already, `seeded` once `spent`
 * holds what the ledger knew: until when that is believed, in epoch milliseconds. The sorted set beside it (`<counter>:holds`) has the
 * holds by the time they run out.
 *
 * What a request that holds has cost is in `spent` before it is in the ledger: else a comparison with the ledger would count it
 * once, and the settlement once more.
 */
const common = `
-- What nobody reserved for (a process without the budget asked it, or before there was one) is in the ledger only.
local believedForMs = 3600000
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number) return string.format('%.0f', number) end
local function hold(counter, id, nano, expires, keepUntil)
  redis.call('HSET', counter, 'h:' .. id, whole(nano))
  redis.call('HINCRBY', counter, 'held', whole(nano))
  redis.call('ZADD', counter .. ':holds', expires, id)
  redis.call('PEXPIREAT', counter, keepUntil)
  redis.call('PEXPIREAT', counter .. ':holds', keepUntil)
end
local function unhold(counter, id)
  local held = redis.call('HGET', counter, 'h:' .. id)
  if not held then return false end
  redis.call('HDEL', counter, 'h:' .. id)
  -- There is no -0 for Redis.
  if held ~= '0' then redis.call('HINCRBY', counter, 'held', '-' .. held) end
  redis.call('ZREM', counter .. ':holds', id)
  return true
end
-- All that a request has cost by now; what was counted stays counted.
local function charge(counter, id, nano)
  local counted = tonumber(redis.call('HGET', counter, 'c:' .. id) or 0)
  if nano <= counted then return end
  redis.call('HINCRBY', counter, 'spent', whole(nano - counted))
  redis.call('HSET', counter, 'c:' .. id, whole(nano))
end`;

/**
 * `reserve(budgets)`: each `{ key, limit, keepUntil, seed?, seedForMs?, holds: [[request, nano, expires]…] }`. All of it or nothing. Gives
 * `{'unseeded', index…}` (counters that the ledger is to be asked for), `{'exceeded', index, spent, held}` or
 * `{'held', spent, held, spent, held, …}`. What a request holds already is not taken twice.
 */
export const reserveLua = `${common}
local function reserve(budgets)
  local unseeded = {}
  local at = now()
  for index, budget in ipairs(budgets) do
    local seen = redis.call('HMGET', budget.key, 'seeded', 'spent')
    if not seen[1] or tonumber(seen[1]) <= at then
      if not budget.seed then unseeded[#unseeded + 1] = index
      else
        -- What was settled since may be on its way to the ledger.
        local spent = math.max(budget.seed, seen[1] and tonumber(seen[2] or 0) or 0)
        redis.call('HSET', budget.key, 'seeded', whole(at + (budget.seedForMs or believedForMs)), 'spent', whole(spent))
        redis.call('PEXPIREAT', budget.key, budget.keepUntil)
      end
    end
  end
  if #unseeded > 0 then return {'unseeded', unpack(unseeded)} end
  local answer = {'held'}
  for index, budget in ipairs(budgets) do
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', budget.key .. ':holds', '-inf', at, 'LIMIT', 0, 500)) do
      unhold(budget.key, id)
      redis.call('HSET', budget.key, 'x:' .. id, 1)
    end
    local counts = redis.call('HMGET', budget.key, 'spent', 'held')
    local spent, held = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
    local wanted, isNew, isFree = 0, false, false
    for _, one in ipairs(budget.holds) do
      if redis.call('HEXISTS', budget.key, 'h:' .. one[1]) == 0 then
        wanted, isNew, isFree = wanted + one[2], true, isFree or one[2] == 0
      end
    end
    -- Of a price that nobody knows nothing can be reserved: it passes until the budget is used up.
    if isNew and (spent + held + wanted > budget.limit or (isFree and spent >= budget.limit)) then
      return {'exceeded', index, whole(spent), whole(held)}
    end
    answer[#answer + 1] = whole(spent)
    answer[#answer + 1] = whole(held + wanted)
  end
  for _, budget in ipairs(budgets) do
    for _, one in ipairs(budget.holds) do
      if redis.call('HEXISTS', budget.key, 'h:' .. one[1]) == 0 then
        hold(budget.key, one[1], one[2], one[3], budget.keepUntil)
      end
    end
  end
  return answer
end`;

/** KEYS: the counters. ARGV: the budgets as JSON. */
export const reserveScript = `${reserveLua}
return reserve(cjson.decode(ARGV[1]))`;

/**
 * Counts what a request has cost so far that goes on, and lets it hold on; nothing where it is settled. KEYS and ARGV as of
 * {@link settleScript}, the costs being those of all its calls.
 */
export const chargeScript = `#!lua flags=allow-oom${common}
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for index = 2, #KEYS do
  local seen = redis.call('HMGET', KEYS[index], 'h:' .. ARGV[2], 'x:' .. ARGV[2])
  if seen[1] or seen[2] then charge(KEYS[index], ARGV[2], tonumber(ARGV[index + 1])) end
end
return 1`;

/**
 * Takes the hold away and adds the cost, once: a second settle finds neither hold nor run-out hold. KEYS: a job's lock, then the
 * counters. ARGV: the lock's token ('' where nobody need own the job), the request, the cost for each counter.
 */
export const settleScript = `#!lua flags=allow-oom${common}
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local settled = 0
for index = 2, #KEYS do
  if unhold(KEYS[index], ARGV[2]) or redis.call('HDEL', KEYS[index], 'x:' .. ARGV[2]) == 1 then
    charge(KEYS[index], ARGV[2], tonumber(ARGV[index + 1]))
    redis.call('HDEL', KEYS[index], 'c:' .. ARGV[2])
    settled = settled + 1
  end
end
return settled`;

/**
 * A request that had ended is run again: it holds what it held, and what it was settled with stays counted. Does nothing where it is not
 * settled, or its period is over. KEYS: the counters. ARGV: request, expires, then nano, keepUntil and cost of each.
 */
export const reopenScript = `${common}
local id = ARGV[1]
for index, counter in ipairs(KEYS) do
  local seen = redis.call('HMGET', counter, 'seeded', 'h:' .. id, 'x:' .. id)
  if seen[1] and not seen[2] and not seen[3] then
    hold(counter, id, tonumber(ARGV[index * 3]), ARGV[2], ARGV[index * 3 + 1])
    local cost = ARGV[index * 3 + 2]
    if cost ~= '0' then redis.call('HSET', counter, 'c:' .. id, cost) end
  end
end
return 1`;

/** A hold that is not asked for: the request was let in when it did not need one. KEYS: the counters. ARGV: request, expires, then nano and keepUntil of each. */
export const holdScript = `#!lua flags=allow-oom${common}
for index, counter in ipairs(KEYS) do
  if redis.call('HEXISTS', counter, 'h:' .. ARGV[1]) == 0 then
    hold(counter, ARGV[1], tonumber(ARGV[index * 2 + 1]), ARGV[2], ARGV[index * 2 + 2])
  end
end
return 1`;
