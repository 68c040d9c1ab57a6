/**
 * The scripts behind `cooldown.ts`. Who is set aside stands in one hash, `{aimm}:cooldowns`: field `provider` or
 * `provider/model-id`, value a {@link CooldownEntry} as JSON. The calls that are counted stand in one hash per provider,
 * `{aimm}:calls:<provider>`, in six buckets of the window: `<bucket>|<ok, bad or net>|<model>`. Times are Redis's.
 */

/** Entries outlive the end of their cooldown by so long when nobody asks: then nothing is known any more. */
export const forgetAfterMs = 3_600_000;

const prelude = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function find(scope)
  local json = redis.call('HGET', KEYS[1], scope)
  if not json then return nil end
  local entry = cjson.decode(json)
  if entry['until'] + ${forgetAfterMs} > now then return entry end
  redis.call('HDEL', KEYS[1], scope)
end
local function keep(scope, entry)
  redis.call('HSET', KEYS[1], scope, cjson.encode(entry))
  redis.call('PEXPIRE', KEYS[1], ${2 * forgetAfterMs})
end
`;

/**
 * Counts calls, and sets aside what fails too often. KEYS: cooldowns, calls. ARGV: provider, least failures, share in
 * thousandths, window, first cooldown, its jitter (0 to 1000 for up to a tenth less), the last error's code; then model, kind, count, again and again.
 *
 * A model is set aside for its own failures. The provider is when every model that was called fails, and either more than
 * one was, or nobody could be reached: one broken model says nothing of the others.
 */
export const noteCallsScript = `${prelude}
local provider, least, share, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- Calls that were under way when it was set aside say nothing new.
if find(provider) then return 0 end
local width = math.max(1, math.floor(window / 6))
local bucket = math.floor(now / width)
for i = 8, #ARGV, 3 do
  if not find(provider .. '/' .. ARGV[i]) then
    redis.call('HINCRBY', KEYS[2], bucket .. '|' .. ARGV[i + 1] .. '|' .. ARGV[i], ARGV[i + 2])
  end
end
redis.call('PEXPIRE', KEYS[2], 2 * window)
local models = {}
local counts = redis.call('HGETALL', KEYS[2])
for i = 1, #counts, 2 do
  local at, kind, model = string.match(counts[i], '^(%d+)|(%a+)|(.*)$')
  if tonumber(at) <= bucket - 6 then
    redis.call('HDEL', KEYS[2], counts[i])
  else
    local sums = models[model] or { ok = 0, bad = 0, net = 0 }
    sums[kind] = sums[kind] + tonumber(counts[i + 1])
    models[model] = sums
  end
end
local function open(scope, failures, calls)
  local forMs = tonumber(ARGV[5]) * (1 - tonumber(ARGV[6]) / 10000)
  keep(scope, { since = now, ['until'] = math.floor(now + forMs), round = 0, failures = failures, calls = calls, code = ARGV[7] })
end
local failing, well, failures, calls, unreached, opened = {}, 0, 0, 0, 0, 0
for model, sums in pairs(models) do
  local bad = sums.bad + sums.net
  local all = bad + sums.ok
  failures, calls, unreached = failures + bad, calls + all, unreached + sums.net
  if bad > 0 and bad * 1000 >= share * all then failing[#failing + 1] = { model, bad, all } else well = well + 1 end
end
if well == 0 and failures >= least and (#failing > 1 or unreached == failures) then
  open(provider, failures, calls)
  redis.call('DEL', KEYS[2])
  return 1
end
for _, one in ipairs(failing) do
  if one[2] >= least then
    open(provider .. '/' .. one[1], one[2], one[3])
    for i = 1, #counts, 2 do
      if string.match(counts[i], '^%d+|%a+|(.*)$') == one[1] then redis.call('HDEL', KEYS[2], counts[i]) end
    end
    opened = 1
  end
end
return opened`;

/**
 * Asks for the way to a provider's model. KEYS: cooldowns. ARGV: the probe's token, its lease, whether the asker will wait
 * (1), a moment between two that wait, the wait while another probes, the most that waiting ones are spread over; then the scopes.
 * Answers `clear`; `probe` (the way is free for this one call); or `wait`, the scope, its entry, and when to ask again.
 */
export const enterScript = `${prelude}
local lease, step, look, spread = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local due = {}
for i = 7, #ARGV do
  local entry = find(ARGV[i])
  if entry then
    local base = nil
    if now < entry['until'] then base = entry['until']
    elseif entry.probeUntil and entry.probeUntil > now and entry.token ~= ARGV[1] then base = now + look end
    if base then
      -- Waiting ones come back one after the other, in their order, and not all at once.
      local slot = math.min(math.max(base, (entry.slot or 0) + step), base + spread)
      if ARGV[3] == '1' then
        entry.slot = slot
        keep(ARGV[i], entry)
      end
      return { 'wait', ARGV[i], cjson.encode(entry), tostring(slot - now) }
    end
    due[#due + 1] = { ARGV[i], entry }
  end
end
for _, one in ipairs(due) do
  one[2].probeUntil = now + lease
  one[2].token = ARGV[1]
  keep(one[1], one[2])
end
if #due > 0 then return { 'probe' } end
return { 'clear' }`;

/**
 * What became of a probe. KEYS: cooldowns. ARGV: token, verdict (`answered`, `failed`, `unknown`, or `renew` while it runs),
 * first and longest cooldown, jitter (0 to 1000), lease, error code; then the scopes.
 */
export const settleProbeScript = `${prelude}
for i = 8, #ARGV do
  local entry = find(ARGV[i])
  if entry and entry.token == ARGV[1] then
    if ARGV[2] == 'answered' then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      if ARGV[2] == 'renew' then
        entry.probeUntil = now + tonumber(ARGV[6])
      else
        entry.probeUntil = nil
        entry.token = nil
      end
      if ARGV[2] == 'failed' then
        entry.round = entry.round + 1
        entry.failures = entry.failures + 1
        entry.calls = entry.calls + 1
        entry.code = ARGV[7]
        local forMs = math.min(tonumber(ARGV[3]) * 2 ^ entry.round, tonumber(ARGV[4]))
        entry['until'] = math.floor(now + forMs * (1 - tonumber(ARGV[5]) / 10000))
        entry.slot = nil
      end
      keep(ARGV[i], entry)
    end
  end
end
return now`;
