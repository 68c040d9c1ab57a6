/** Of an answer that is longer no more is kept for those who join later: they hear its end only. Bytes. */
const longestSaid = 64 * 1024;

/**
 * A part of a call that several requests may share: to the leader's own reply stream, and to each that listens to the flight; what
 * was said so far is kept for those who join. KEYS: the leader's reply stream, flight, what was said, listeners. ARGV: leader, stream
 * length, the part up to and from the place where the flight's id belongs, with what stands there, whether the leader itself hears
 * it, the call's number, what it is, its text as JSON writes it.
 *
 * A worker that lost the job, or tells of an earlier call, has the leader's ear at most.
 */
export const tellScript = `
local own, shared = ARGV[3] .. ARGV[5], ARGV[3] .. ARGV[4] .. ARGV[5]
local function tell(stream, reply) redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[2], '*', 'r', reply) end
local at = redis.call('HMGET', KEYS[2], 'leader', 'landed', 'attempt', 'long')
local told = tonumber(at[3] or -1)
local attempt = tonumber(ARGV[7])
if at[1] ~= ARGV[1] or at[2] or told > attempt then
  if ARGV[6] == '1' then tell(KEYS[1], own) end
  return
end
if told < attempt then redis.call('HSET', KEYS[2], 'attempt', ARGV[7]) end
if told < attempt or ARGV[8] == 'reset' then
  redis.call('DEL', KEYS[3])
  if at[4] then redis.call('HDEL', KEYS[2], 'long') end
  at[4] = false
end
if ARGV[8] == 'text' and not at[4] then
  local length = redis.call('APPEND', KEYS[3], ARGV[9])
  if length > ${longestSaid} then
    redis.call('DEL', KEYS[3])
    redis.call('HSET', KEYS[2], 'long', 1)
  elseif length == #ARGV[9] then redis.call('PEXPIRE', KEYS[3], 86400000) end
end
local isTold = ARGV[6] ~= '1'
for _, stream in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  tell(stream, shared)
  if stream == KEYS[1] then isTold = true end
end
if not isTold then tell(KEYS[1], own) end`;
