import { admitLua, settleLua } from './admission-scripts.ts';
import { fields } from './names.ts';

/** The fence of every write: a worker that was paused past its lock cannot overwrite what its successor wrote. */
const ownedLua = `if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end`;

/**
 * Asks the limits, where a call is about to start, and notes what it reserved; nobody calls what was set aside a moment ago
 * by another worker. KEYS and ARGV as in `toStartArguments` of `checkpoints.ts`.
 */
const admitCallLua = `
local function admitCall()
  if ARGV[8] ~= '' then
    local seen = redis.call('HMGET', KEYS[8], ARGV[8], ARGV[9])
    if seen[1] or seen[2] then return {'aside'} end
  end
  if ARGV[10] == '0' then return nil end
  local refused = admit(10, 10, ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), KEYS[3])
  if refused then return {'refused', unpack(refused)} end
  if ARGV[6] == '1' then redis.call('HSET', KEYS[1], '${fields.reserved}', ARGV[5] .. ' ' .. integer(admittedAt)) end
end`;

/**
 * From the first word of a call until its row is in the ledger the job stands in a sorted set, by the time since when: the
 * reconciler looks through that set, and never through all jobs.
 */
const unsettledLua = (member: string, now: string) => `
redis.call('ZADD', KEYS[4], 'NX', string.format('%.0f', math.floor(${now} / 1000)), ${member})`;
/** The very instant that the limits decided by, where they were asked. */
const startedLua = unsettledLua('ARGV[3]', '(admittedAt or instant())');

/**
 * With each job that it gives out BullMQ wakes workers for another: where none waits they would all ask in vain, this one among
 * them. Whoever adds one wakes them again.
 */
const letSleepLua = `
if redis.call('ZCARD', KEYS[6]) == 0 and redis.call('LLEN', KEYS[5]) == 0 then redis.call('ZREM', KEYS[7], '0') end`;

/** Whether an outcome, where there is one, ends the job in favour of another. Answers may be long: of one only its beginning is looked at. */
export const continuesLua = (outcome: string) =>
  `${outcome} and string.sub(${outcome}, 1, 18) == '{"status":"failed"' and cjson.decode(${outcome})['continues'] == true`;

export const openScript = `${ownedLua}
${letSleepLua}
${admitLua}
${admitCallLua}
local seen = redis.call('HMGET', KEYS[1], '${fields.cancel}', '${fields.outcome}', '${fields.checkpoint}')
local goesOn = ${continuesLua('seen[2]')}
-- What its client was told stands, though a cancel came while the call was on its way to its end.
local isCancelled = seen[1] and (goesOn or not seen[2])
-- A job that was added for its request after somebody cancelled that calls nobody either.
if isCancelled or (not seen[2] and redis.call('EXISTS', KEYS[9]) == 1) then return {'cancelled', seen[3] or ''} end
if seen[2] then return {'settled', seen[2], seen[3] or ''} end
-- Our own first write, sent again by a connection that lost the answer to it, is no earlier run.
if seen[3] then return seen[3] == ARGV[2] and {'fresh'} or {'resumed', seen[3]} end
local refused = admitCall()
if refused then return refused end
redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
${startedLua}
return {'fresh'}`;

/** A further call: as `open` for the first, and as `save` for what the one before left. */
export const startScript = `${ownedLua}
${admitLua}
${settleLua}
${admitCallLua}
local seen = redis.call('HMGET', KEYS[1], '${fields.cancel}', '${fields.checkpoint}')
if seen[2] == ARGV[2] then return {'fresh'} end
if seen[1] then return {'cancelled'} end
if ARGV[10] ~= '0' then settle(KEYS[1], 10, 10, ARGV[3], ARGV[7], false) end
local refused = admitCall()
if refused then return refused end
redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
redis.call('HDEL', KEYS[1], '${fields.outcome}', '${fields.partial}')
${startedLua}
return {'fresh'}`;

/**
 * KEYS: job, lock, reply stream, unsettled jobs, active jobs, copy of the outcome, scopes. ARGV: token, checkpoint ('' keeps),
 * outcome ('' removes it and the partial text), reply ('' sends none), stream length, member, tokens used, the job's id, which
 * start of it this is ('' takes no lock), the lock's life in ms, the copy's life in ms ('' keeps none), scopes. A Redis that is out of memory takes this all the same: the call is paid for,
 * and there are no more of them than calls at once.
 *
 * A lock that ran out, as Redis was away or took no renewals, is taken again, if nobody began the job since.
 */
export const saveScript = `#!lua flags=allow-oom
local owner = redis.call('GET', KEYS[2])
if not owner and ARGV[9] ~= '' and redis.call('HGET', KEYS[1], 'ats') == ARGV[9] and redis.call('LPOS', KEYS[5], ARGV[8]) then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[10])
  owner = ARGV[1]
end
if owner ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[2])
  local time = redis.call('TIME')
  ${unsettledLua('ARGV[6]', '(time[1] * 1000000 + time[2])')}
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], '${fields.outcome}', ARGV[3]) else redis.call('HDEL', KEYS[1], '${fields.outcome}', '${fields.partial}') end
if ARGV[11] ~= '' then redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[11]) end
if ARGV[4] ~= '' then redis.call('XADD', KEYS[3], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[5], '*', 'r', ARGV[4]) end
if ARGV[12] ~= '0' then
  ${settleLua}
  settle(KEYS[1], 7, 12, ARGV[6], ARGV[7], true)
end
return 1`;

export const partialScript = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('HSET', KEYS[1], '${fields.partial}', ARGV[2]) end`;

/** Fenced like the writes: a late word of a worker that lost the job must not hide its successor's calls. */
export const accountScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('ZREM', KEYS[2], ARGV[2]) end
return 0`;
