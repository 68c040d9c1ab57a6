import { type ErrorShape, Outcome, type RequestStatus } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';
import { fields, keys } from './names.ts';

/** How a job stands, without what it answered. */
export interface BriefState {
  status: RequestStatus | 'missing';
  error?: ErrorShape;
}

interface Place {
  queue: string;
  jobId: string;
}

/** Answers may be long: of an outcome that is one only its beginning is looked at, where its status stands. KEYS: job, lock, job, lock, … */
const statesScript = `
local states = {}
for index = 1, #KEYS, 2 do
  local state = {'missing', ''}
  local job = redis.call('HMGET', KEYS[index], 'timestamp', '${fields.outcome}', '${fields.cancel}', 'failedReason', 'finishedOn')
  if job[1] then
    if job[2] then
      local isAnswer = string.sub(job[2], 1, 22) == '{"status":"succeeded",'
      state = isAnswer and {'succeeded', ''} or {'failed', job[2]}
    elseif job[4] and job[5] then state = {job[3] and 'cancelled' or 'failed', ''}
    elseif redis.call('EXISTS', KEYS[index + 1]) == 1 then state = {'running', ''}
    else state = {'queued', ''} end
  end
  states[#states + 1] = state
end
return states`;

type Scripted = Redis & { aimmStates(count: number, ...keys: string[]): Promise<[BriefState['status'], string][]> };

/** How many jobs stand at once, in the order asked; one round trip. @throws unavailable */
export function createReadBriefStates(redis: Redis): (places: readonly Place[]) => Promise<BriefState[]> {
  redis.defineCommand('aimmStates', { lua: statesScript });
  return async (places) => {
    if (places.length === 0) return [];
    const asked = places.flatMap(({ queue, jobId }) => [keys.job(queue, jobId), keys.jobLock(queue, jobId)]);
    const states = await withRedis(redis, () => (redis as Scripted).aimmStates(asked.length, ...asked));
    return states.map(([status, outcome]) => (outcome === '' ? { status } : toEnded(outcome)));
  };
}

function toEnded(json: string): BriefState {
  const outcome = Outcome.parse(JSON.parse(json));
  // Written in another order than ours.
  if (outcome.status === 'succeeded') return { status: 'succeeded' };
  if (outcome.continues === true) return { status: 'running' };
  return { status: outcome.error.code === 'cancelled' ? 'cancelled' : 'failed', error: outcome.error };
}
