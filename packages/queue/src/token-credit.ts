/**
 * What a call reserved too much is given back when it ends, but for what the limit could not have kept: had the call reserved what it
 * used, the limit would have been unused earlier on, and what nobody takes in time is nobody's.
 *
 * So each admission leaves a mark: when, and by how much the clock of tokens was ahead of that instant (µs both). The least
 * of those after a call's own admission is as much as its end may give back. Only marks with a lower one behind them are of no use, so
 * they rise from the first to the last. They stand in the scope's hash as one array: instant, lead, instant, lead, …
 */
const mostMarks = 48;

/** Where the marks stand in a scope's hash. */
export const marksField = 'tokenMarks';

/** `addMark(packed, at, lead)`: the marks with one more, packed. Where there are too many the oldest two become one, the lower. */
export const addMarkLua = `
local function addMark(packed, at, lead)
  local marks = packed and cmsgpack.unpack(packed) or {}
  local n = #marks
  while n > 0 and marks[n] >= lead do
    marks[n], marks[n - 1] = nil, nil
    n = n - 2
  end
  marks[n + 1], marks[n + 2] = at, lead
  if n + 2 > ${2 * mostMarks} then
    marks[4] = marks[2]
    table.remove(marks, 1)
    table.remove(marks, 1)
  end
  return cmsgpack.pack(marks)
end`;

/** `correct(limit, reservedAt, corrected)`: moves the clock of tokens by that, forward or, as far as it may, back. */
export const correctLua = `
local function correct(limit, reservedAt, corrected)
  local packed = redis.call('HGET', limit, '${marksField}')
  local marks = packed and cmsgpack.unpack(packed) or {}
  local first = 1
  while first < #marks and marks[first] <= reservedAt do first = first + 2 end
  if first < #marks then
    corrected = math.max(corrected, -marks[first + 1])
    if corrected == 0 then return end
    for i = first + 1, #marks, 2 do marks[i] = marks[i] + corrected end
    local kept, lowest = {}, marks[first + 1]
    for i = 1, #marks, 2 do
      if i >= first or marks[i + 1] < lowest then
        table.insert(kept, marks[i])
        table.insert(kept, marks[i + 1])
      end
    end
    redis.call('HSET', limit, '${marksField}', cmsgpack.pack(kept))
  end
  local clock = redis.call('TIME')
  local keepMs = (redis.call('HINCRBY', limit, 'tokens', string.format('%.0f', corrected)) - clock[1] * 1000000 - clock[2]) / 1000 + 60000
  if redis.call('PTTL', limit) < keepMs then redis.call('PEXPIRE', limit, string.format('%.0f', keepMs)) end
end`;
