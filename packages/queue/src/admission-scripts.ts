import { fields, keyPrefix } from './names.ts';
import { addMarkLua, correctLua, marksField } from './token-credit.ts';

/**
 * The Lua that decides whether a call may start now. It is put before the scripts that write checkpoints, so that limits
 * cost no round trip of their own.
 *
 * Each scope has three keys: a hash of its clocks, the set of its leases and the set of those that wait for their turn.
 * Clocks are instants in microseconds of Redis's own time. `requests` is the instant from which on the limit would be
 * unused (GCRA): a call moves it on by the interval between calls, and is admitted as long as it is no further ahead than
 * the burst allows. `tokens` is the same with the time that the call's tokens take. A debt is such an instant far ahead. `at` is when
 * they were written or asked last: where that is still to come, the clock was set back, and they go back by as much.
 *
 * Scores of turns are the millisecond at which the job was told to come back; those of the batch lane stand
 * `batchTurns` further on, so that interactive jobs are always ahead of them.
 */
const batchTurns = 1e13;
/** A turn that nobody took within this time is somebody's who has gone. */
const turnGraceMs = 10_000;
/** Nobody is told to come back later than this: what is ahead may end sooner. */
const longestWaitMs = 30_000;
/** How long a full scope believes in a lease before it looks whether its job still has a lock. */
const leaseCheckMs = 2_000;
/** How long one call ahead may take where nobody knows; whoever ends one wakes the next anyhow. */
const leaseTurnMs = 2_000;
/** Bursts under a pace that a vendor's headers ask for, in microseconds' worth of calls and of tokens. */
const paceRequestBurstUs = 1_000_000;
const paceTokenBurstUs = 10_000_000;

/** Arguments of one scope, in this order. */
export const argumentsPerScope = 8;
export const keysPerScope = 3;

/** `turnBack(limit, at, now)`: whether the clock was set back since `at`; then so are the instants of a scope. */
const turnBackLua = `
local function integer(value) return string.format('%.0f', value) end
local function instant()
  local clock = redis.call('TIME')
  return clock[1] * 1000000 + clock[2]
end
local function turnBack(limit, at, now)
  local back = tonumber(at or 0) - now
  if back <= 0 then return false end
  local names = {'requests', 'tokens', 'hold', 'paceUntil', 'tokenPaceUntil'}
  for i, seen in ipairs(redis.call('HMGET', limit, unpack(names))) do
    if seen then redis.call('HSET', limit, names[i], integer(tonumber(seen) - back)) end
  end
  local packed = redis.call('HGET', limit, '${marksField}')
  if packed then
    local marks = cmsgpack.unpack(packed)
    for i = 1, #marks, 2 do marks[i] = marks[i] - back end
    redis.call('HSET', limit, '${marksField}', cmsgpack.pack(marks))
  end
  redis.call('HSET', limit, 'at', integer(now))
  return true
end`;

/**
 * `admit(k, a, member, batch, tokens, gate)`: KEYS from k and ARGV from a on: the number of scopes, then for each the
 * interval and the tolerance of requests, of tokens (µs), the concurrency, the longest wait in place (ms), whether those
 * that wait longer stay in the queue's own order (1) or are put aside (0), and µs per token.
 * Returns nil when admitted (`admittedAt`: when, in µs), having committed in all scopes; else, with nothing committed, {wait in ms, the scope's
 * number from 1, why, 1 when it is short enough to wait in place}. What is put aside gives its start in BullMQ's
 * limiter (`gate`) back to the jobs behind it.
 */
export const admitLua = `${addMarkLua}${turnBackLua}
local admittedAt
local function admit(k, a, member, batch, tokens, gate)
  local now = instant()
  local nowMs = math.floor(now / 1000)
  local count = tonumber(ARGV[a])
  local states = {}
  local longest, binding, why = 0, 0, ''
  for i = 1, count do
    local at = a + (i - 1) * ${argumentsPerScope}
    local s = {
      limit = KEYS[k + (i - 1) * 3], leases = KEYS[k + (i - 1) * 3 + 1], turns = KEYS[k + (i - 1) * 3 + 2],
      interval = tonumber(ARGV[at + 1]), tolerance = tonumber(ARGV[at + 2]),
      cost = tonumber(ARGV[at + 3]), costTolerance = tonumber(ARGV[at + 4]),
      concurrency = tonumber(ARGV[at + 5]), patience = tonumber(ARGV[at + 6]), queued = ARGV[at + 7] == '1'
    }
    states[i] = s
    local function read()
      return redis.call('HMGET', s.limit, 'requests', 'tokens', 'hold', 'turns', 'pace', 'paceUntil', 'tokenPace', 'tokenPaceUntil', '${marksField}', 'at')
    end
    local seen = read()
    if turnBack(s.limit, seen[10], now) then seen = read() end
    s.at = seen[10]
    s.requests = math.max(now, tonumber(seen[1] or 0))
    s.tokens = math.max(now, tonumber(seen[2] or 0))
    s.marks = seen[9]
    local hold = tonumber(seen[3] or 0)
    if seen[6] and tonumber(seen[6]) > now and tonumber(seen[5]) > s.interval then
      s.interval = tonumber(seen[5])
      s.tolerance = math.max(0, math.floor(${paceRequestBurstUs} / s.interval) - 1) * s.interval
    end
    if seen[8] and tonumber(seen[8]) > now and tonumber(seen[7]) * tokens > s.cost then
      s.cost = tonumber(seen[7]) * tokens
      s.costTolerance = math.max(0, ${paceTokenBurstUs} - s.cost)
    end

    -- Those that wait: whoever was told a turn goes by what is free, a newcomer stands behind them all.
    local ahead, behind = 0, 0
    s.last = tonumber(seen[4] or 0)
    if s.last > nowMs - ${turnGraceMs} then
      redis.call('ZREMRANGEBYSCORE', s.turns, '-inf', nowMs - ${turnGraceMs})
      redis.call('ZREMRANGEBYSCORE', s.turns, ${integerText(batchTurns)}, integer(${integerText(batchTurns)} + nowMs - ${turnGraceMs}))
      s.mine = redis.call('ZRANK', s.turns, member)
      ahead = batch and redis.call('ZCOUNT', s.turns, '-inf', '(${integerText(batchTurns)}') or 0
      behind = s.mine or (batch and redis.call('ZCARD', s.turns) or redis.call('ZCOUNT', s.turns, '-inf', '(${integerText(batchTurns)}'))
      if not s.mine then ahead = behind end
    end

    local taken = 0
    if s.concurrency > 0 and not redis.call('ZSCORE', s.leases, member) then
      taken = redis.call('ZCARD', s.leases)
      if taken + ahead >= s.concurrency then
        for _, other in ipairs(redis.call('ZRANGEBYSCORE', s.leases, '-inf', nowMs)) do
          if redis.call('EXISTS', '${keyPrefix}:' .. other .. ':lock') == 1 then
            redis.call('ZADD', s.leases, 'XX', nowMs + ${leaseCheckMs}, other)
          else
            redis.call('ZREM', s.leases, other)
            taken = taken - 1
          end
        end
      end
    end

    local function waitBehind(n)
      local wait, reason = 0, ''
      local function take(value, name) if value > wait then wait, reason = value, name end end
      take(s.requests + n * s.interval - s.tolerance - now, 'requests')
      take(s.tokens + n * s.cost - s.costTolerance - now, 'tokens')
      if s.concurrency > 0 and taken + n >= s.concurrency then
        take((taken + n - s.concurrency + 1) * ${leaseTurnMs * 1000}, 'concurrency')
      end
      if hold > now then take(hold - now + math.max(0, n * s.interval - s.tolerance), 'hold') end
      return wait, reason
    end
    local wait, reason = waitBehind(ahead)
    if wait > 0 then
      wait, reason = waitBehind(math.max(ahead, behind))
      if wait > longest then longest, binding, why = wait, i, reason end
    end
  end

  if longest <= 0 then
    for _, s in ipairs(states) do
      local write, latest = {'at', integer(now)}, now
      if s.interval > 0 then
        latest = s.requests + s.interval
        write[3], write[4] = 'requests', integer(latest)
      end
      if s.cost > 0 then
        local tokensUntil = s.tokens + s.cost
        latest = math.max(latest, tokensUntil)
        write[#write + 1] = 'tokens'
        write[#write + 1] = integer(tokensUntil)
        write[#write + 1] = '${marksField}'
        write[#write + 1] = addMark(s.marks, now, s.tokens - now)
      end
      if s.at or #write > 2 then redis.call('HSET', s.limit, unpack(write)) end
      if #write > 2 then
        redis.call('PEXPIRE', s.limit, integer(math.max(3600000, (latest - now) / 1000 + 60000)))
      end
      if s.concurrency > 0 then
        redis.call('ZADD', s.leases, nowMs + ${leaseCheckMs}, member)
        redis.call('PEXPIRE', s.leases, 86400000)
      end
      if s.mine then redis.call('ZREM', s.turns, member) end
    end
    admittedAt = now
    return nil
  end

  local waitMs = math.min(${longestWaitMs}, math.ceil(longest / 1000))
  local by = states[binding]
  local inPlace = why ~= 'concurrency' and waitMs <= by.patience
  for i, s in ipairs(states) do
    if s.at then redis.call('HSET', s.limit, 'at', integer(now)) end
    if s.mine or (i == binding and (inPlace or not s.queued)) then
      redis.call('ZADD', s.turns, integer(nowMs + waitMs + (batch and ${integerText(batchTurns)} or 0)), member)
      redis.call('PEXPIRE', s.turns, 3600000)
      redis.call('HSET', s.limit, 'turns', integer(math.max(s.last, nowMs + waitMs)))
      if redis.call('PTTL', s.limit) < 3600000 then redis.call('PEXPIRE', s.limit, 3600000) end
    end
  end
  if not inPlace and not by.queued then
    local started = tonumber(redis.call('GET', gate) or 0)
    if started > 0 and started < 1e15 then redis.call('DECR', gate) end
  end
  return {waitMs, binding, why, inPlace and 1 or 0}
end`;

/** `wakeUp(waiting)`: a job that is put aside until its turn goes to the front of its queue. False where it is not put aside. */
const wakeUpLua = `
local function wakeUp(waiting)
  local queue, id = string.match(waiting, '^([^:]*):(.*)$')
  local prefix = '${keyPrefix}:' .. queue .. ':'
  if redis.call('ZREM', prefix .. 'delayed', id) == 0 then return false, redis.call('EXISTS', prefix .. id) == 1 end
  local priority = tonumber(redis.call('HGET', prefix .. id, 'priority') or 0)
  redis.call('HSET', prefix .. id, 'delay', 0)
  if priority > 0 then redis.call('ZADD', prefix .. 'prioritized', string.format('%.0f', priority * 4294967296), id)
  else redis.call('RPUSH', prefix .. 'wait', id) end
  redis.call('ZADD', prefix .. 'marker', 0, '0')
  return true, true
end`;

/** Everybody who waits for a scope asks again, in the order of their turns. KEYS: its turns. */
export const wakeScript = `${wakeUpLua}
local woken = 0
for _, waiting in ipairs(redis.call('ZRANGE', KEYS[1], 0, 255)) do
  if wakeUp(waiting) then woken = woken + 1 end
end
return woken`;

/** A job that was put aside goes to the front of its queue, whatever time it was to wait for. ARGV: member. */
export const putForwardScript = `${wakeUpLua}
return wakeUp(ARGV[1]) and 1 or 0`;

/**
 * `settle(job, k, a, member, actual, release)`: corrects what was reserved by what was used (`''`: the estimate
 * stands), once per admission; then, with `release`, gives leases back and wakes whoever waits for one. KEYS and ARGV as
 * `admit` takes them.
 */
export const settleLua = `${wakeUpLua}
${correctLua}
local function settle(job, k, a, member, actual, release)
  local reserved = redis.call('HGET', job, '${fields.reserved}')
  if reserved then redis.call('HDEL', job, '${fields.reserved}') end
  local tokens, reservedAt = string.match(reserved or '', '^(%S+) ?(%d*)$')
  for i = 1, tonumber(ARGV[a]) do
    local at = a + (i - 1) * ${argumentsPerScope}
    local limit, leases, turns = KEYS[k + (i - 1) * 3], KEYS[k + (i - 1) * 3 + 1], KEYS[k + (i - 1) * 3 + 2]
    local perToken = tonumber(ARGV[at + 8])
    if reserved and actual ~= '' and perToken > 0 and redis.call('EXISTS', limit) == 1 then
      local corrected = math.floor((tonumber(actual) - tonumber(tokens)) * perToken + 0.5)
      if corrected ~= 0 then correct(limit, tonumber(reservedAt) or 0, corrected) end
    end
    if release and tonumber(ARGV[at + 5]) > 0 and redis.call('ZREM', leases, member) == 1 then
      -- The foremost that still waits goes to the front of its queue; one that has gone loses its turn. More than one where the
      -- limit was raised: those on their way already count.
      local places, woken = tonumber(ARGV[at + 5]) - redis.call('ZCARD', leases), 0
      for _, waiting in ipairs(redis.call('ZRANGE', turns, 0, 15)) do
        local isWoken, isThere = wakeUp(waiting)
        if isWoken then woken = woken + 1 end
        if isThere then places = places - 1 else redis.call('ZREM', turns, waiting) end
        if woken > 0 and places <= 0 then break end
      end
    end
  end
end`;

/**
 * Makes a scope wait, and with it (ARGV 2 = 1) its whole queue. Never shortens what is in force already.
 * KEYS: the scope's hash, BullMQ's limiter of the queue. ARGV: milliseconds ('' or 0: no hold), milliseconds of the pause.
 *
 * BullMQ takes its limiter's count and time to live for a pause; its own `rateLimit` overwrites a longer one.
 */
export const holdScript = `${turnBackLua}
local hold, pause = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = instant()
turnBack(KEYS[1], redis.call('HGET', KEYS[1], 'at'), now)
local till = now + hold * 1000
if hold > 0 and tonumber(redis.call('HGET', KEYS[1], 'hold') or 0) < till then
  redis.call('HSET', KEYS[1], 'hold', integer(till), 'at', integer(now))
  if redis.call('PTTL', KEYS[1]) < hold + 60000 then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', hold + 3600000)) end
end
if pause > 0 then
  local paused = tonumber(redis.call('GET', KEYS[2]) or 0) >= 1e15
  if not paused or redis.call('PTTL', KEYS[2]) < pause then
    redis.call('SET', KEYS[2], '${Number.MAX_SAFE_INTEGER}', 'PX', pause)
  end
end`;

/**
 * Slows a scope down until a vendor's limit is whole again, or lets go of that. KEYS: the scope's hash. ARGV, for calls
 * and then for tokens: microseconds each (0: as configured, '': as it is), for how many milliseconds.
 */
export const paceScript = `${turnBackLua}
local now = instant()
turnBack(KEYS[1], redis.call('HGET', KEYS[1], 'at'), now)
local longest = 0
for i, name in ipairs({'pace', 'tokenPace'}) do
  local each, forMs = ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  if each == '0' then redis.call('HDEL', KEYS[1], name, name .. 'Until')
  elseif each ~= '' then
    redis.call('HSET', KEYS[1], name, each, name .. 'Until', integer(now + forMs * 1000), 'at', integer(now))
    longest = math.max(longest, forMs)
  end
end
if longest > 0 and redis.call('PTTL', KEYS[1]) < longest then redis.call('PEXPIRE', KEYS[1], longest + 60000) end`;

/** Lua reads numbers as it writes them only without an exponent. */
function integerText(value: number): string {
  return value.toFixed(0);
}
