/**
 * Priorities of jobs (BullMQ takes 1 … 2^21 - 1, lower first). Each lane has a range of its own, with a place in front for
 * what has run before and is put back, then the tags of fair queueing, then a last place for what has no tag yet.
 */
export const lanes = {
  interactive: { returned: 1, first: 2, last: 2 ** 20 - 2, unranked: 2 ** 20 - 1 },
  batch: { returned: 2 ** 20 + 1, first: 2 ** 20 + 2, last: 2 ** 21 - 2, unranked: 2 ** 21 - 1 },
} as const;

/**
 * Batch jobs stand in `delayed` until a place is free for them, in the order of their tags: what is due after this moment
 * (in 2039, epoch milliseconds) is no delay but such a place. BullMQ's scores hold times up to 2^53 / 4096, later in 2039.
 */
export const parkedFrom = 2_190_000_000_000;

/** How long places are kept free of batch jobs after an interactive request came, and how long tags are remembered. */
const keptForMs = 600_000;
const tagsTtlMs = 86_400_000;

/**
 * KEYS: prioritized, delayed, active, wait, meta, marker, priority counter, last tags of the interactive lane, which are
 * given their whole time to live with each request. ARGV[1]: prefix of job keys.
 */
const shared = `
local unit = 4294967296
local batch = ${lanes.batch.returned - 1}
local parked = ${parkedFrom} * 4096
local function exact(number) return string.format('%.0f', number) end

local function isBatch(id)
  return tonumber(redis.call('HGET', ARGV[1] .. id, 'priority') or 0) > batch
end

-- How many more batch jobs may come into the line: as many as could run at once, less a fifth that is kept for
-- interactive requests while there are such.
local function findFree()
  local places = tonumber(redis.call('HGET', KEYS[5], 'concurrency') or 0)
  local kept = 0
  -- Until a worker has said how many run at once, a few come into the line.
  if places == 0 then places = 16 elseif places > 1 and redis.call('PTTL', KEYS[8]) > ${tagsTtlMs - keptForMs} then kept = math.ceil(places / 5) end
  local free = places - kept - redis.call('ZCOUNT', KEYS[1], exact(batch * unit), '+inf')
  if free <= 0 then return 0 end
  for _, id in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do if isBatch(id) then free = free - 1 end end
  for _, id in ipairs(redis.call('LRANGE', KEYS[4], 0, 200)) do if isBatch(id) then free = free - 1 end end
  local soon = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. exact(parked), 'LIMIT', 0, 200)
  for _, id in ipairs(soon) do if isBatch(id) then free = free - 1 end end
  return free
end

local function release(before)
  local waiting = redis.call('ZRANGEBYSCORE', KEYS[2], exact(parked), before, 'LIMIT', 0, 1)
  if #waiting == 0 then return 0 end
  local free = findFree()
  if free <= 0 then return 0 end
  local ids = redis.call('ZRANGEBYSCORE', KEYS[2], exact(parked), before, 'LIMIT', 0, free)
  for _, id in ipairs(ids) do
    redis.call('ZREM', KEYS[2], id)
    local priority = tonumber(redis.call('HGET', ARGV[1] .. id, 'priority') or 0)
    if priority > 0 then
      local count = redis.call('INCR', KEYS[7])
      redis.call('ZADD', KEYS[1], exact(priority * unit + count % unit), id)
      redis.call('HSET', ARGV[1] .. id, 'delay', 0)
    end
  end
  if redis.call('HEXISTS', KEYS[5], 'paused') == 0 then redis.call('ZADD', KEYS[6], 0, '0') end
  return #ids
end
`;

/**
 * Gives a job its turn: the lowest tag that waits, or the one after its client's last where that is later. Jobs with equal
 * tags, one per client, make a round; within it they run as they came. Without a job's id only the tag is told.
 * KEYS[9]: last tag per client. ARGV: prefix, id or '', client, first tag, last tag, priority before it is ranked. Returns
 * the priority; 0: the job waits no more, or has its turn already; -1: there is no such job.
 */
export const rankScript = `${shared}
local id, client = ARGV[2], 'c:' .. ARGV[3]
local first, last, unranked = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local isBatchLane = first > batch
local function place(tag) return parked + (tag - first) * 4096 end

local score
if id ~= '' then
  score = redis.call('ZSCORE', isBatchLane and KEYS[2] or KEYS[1], id)
  if not score then return redis.call('EXISTS', ARGV[1] .. id) - 1 end
  score = tonumber(score)
  if score < (isBatchLane and place(unranked) or unranked * unit) then return 0 end
end

local function findLowest()
  local found = redis.call('ZRANGEBYSCORE', KEYS[1], exact(first * unit), '(' .. exact(last * unit), 'WITHSCORES', 'LIMIT', 0, 1)
  if found[2] then return math.floor(found[2] / unit) end
  -- What a limit holds back comes again with the tag it has.
  local lowest
  for _, held in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. exact(parked), 'LIMIT', 0, 50)) do
    local tag = tonumber(redis.call('HGET', ARGV[1] .. held, 'priority') or 0)
    if tag >= first and tag < last and tag < (lowest or last) then lowest = tag end
  end
  if lowest or not isBatchLane then return lowest end
  found = redis.call('ZRANGEBYSCORE', KEYS[2], exact(parked), '(' .. exact(place(last)), 'WITHSCORES', 'LIMIT', 0, 1)
  if found[2] then return math.floor((found[2] - parked) / 4096) + first end
end

local function isLastAlone()
  local others = redis.call('ZCOUNT', KEYS[1], exact(last * unit), exact((unranked + 1) * unit - 1))
  if isBatchLane then others = others + redis.call('ZCOUNT', KEYS[2], exact(place(last)), '+inf') end
  return others <= (id == '' and 0 or 1)
end

local tag = last
local lowest = findLowest()
local seen = redis.call('HMGET', KEYS[9], 'full', client)
local full = seen[1]
if not lowest and (not full or isLastAlone()) then
  tag = first
  -- Whoever asks one thing after another finds its own tag there.
  if full or not seen[2] or redis.call('HLEN', KEYS[9]) > 1 then
    redis.call('DEL', KEYS[9])
    seen[2] = nil
  end
elseif not full then
  tag = math.min(last, math.max(lowest, tonumber(seen[2] or 0) + 1))
end
if tag ~= tonumber(seen[2]) then redis.call('HSET', KEYS[9], client, tag) end
-- With the tags used up jobs run as they came, until none of these waits any more.
if tag == last then redis.call('HSET', KEYS[9], 'full', 1) end
if redis.call('PTTL', KEYS[9]) < ${tagsTtlMs - 10_000} then redis.call('PEXPIRE', KEYS[9], ${tagsTtlMs}) end
if id == '' then return tag end

redis.call('HSET', ARGV[1] .. id, 'priority', tag)
if isBatchLane then
  redis.call('ZADD', KEYS[2], exact(place(tag)), id)
  -- Where others are before it no place is free.
  if redis.call('ZCOUNT', KEYS[2], exact(parked), '(' .. exact(place(tag))) == 0 then release('(' .. exact(place(unranked))) end
else
  redis.call('ZADD', KEYS[1], exact(tag * unit + score % unit), id)
end
return tag`;

/**
 * Brings batch jobs into the line for the places that are free. ARGV[2]: a job that ends and leaves its place, or '' where somebody
 * only looks: then workers are woken, too, that sleep beside a line. One that took the marker and then got no job (Redis was out of
 * memory, or the reply was lost) would sleep for ten seconds.
 */
export const releaseScript = `${shared}
if ARGV[2] ~= '' and redis.call('EXISTS', ARGV[1] .. ARGV[2]) == 1 then redis.call('HSET', ARGV[1] .. ARGV[2], 'priority', 0) end
local released = release('+inf')
if ARGV[2] == '' and redis.call('ZCARD', KEYS[1]) > 0 and redis.call('EXISTS', KEYS[6]) == 0 and redis.call('HEXISTS', KEYS[5], 'paused') == 0 then
  local places = tonumber(redis.call('HGET', KEYS[5], 'concurrency') or 0)
  if places == 0 or redis.call('LLEN', KEYS[3]) < places then redis.call('ZADD', KEYS[6], 0, '0') end
end
return released`;
