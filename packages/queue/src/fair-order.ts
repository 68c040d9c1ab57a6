import type { GeneratePayload } from '@aimm/contracts';
import type { JobsOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { lanes, parkedFrom, rankScript, releaseScript } from './fair-scripts.ts';
import { keyPrefix, keys } from './names.ts';

type Lane = GeneratePayload['lane'];

/** A job that is to get its turn: `client` is whose share of the queue it takes. */
export interface RankedJob {
  queue: string;
  jobId: string;
  client: string;
  lane: Lane;
}

/**
 * Whose turn it is when several wait. Clients with jobs in a queue are served one job each in turn, a client's own jobs in
 * the order they came; interactive jobs before batch jobs, of which no more are let into the line than may run beside them.
 */
export interface FairOrder {
  /** Gives a job that was just added its place. Sent behind the add, in the same burst; can be repeated. */
  rank(job: RankedJob): Promise<'ranked' | 'missing'>;
  /** The priority of a job that is added later, by a flow. */
  reserve(job: Omit<RankedJob, 'jobId'>): Promise<number>;
  /** Lets batch jobs into the line where places are free; `endedJobId` leaves its place. Returns how many. */
  release(queue: string, endedJobId?: string): Promise<number>;
}

type Scripted = Redis & {
  aimmRank(...argv: (string | number)[]): Promise<number>;
  aimmRelease(...argv: (string | number)[]): Promise<number>;
};

export function createFairOrder(redis: Redis): FairOrder {
  redis.defineCommand('aimmRank', { numberOfKeys: 9, lua: rankScript });
  redis.defineCommand('aimmRelease', { numberOfKeys: 8, lua: releaseScript });
  const scripted = redis as Scripted;
  const rank = ({ queue, jobId, client, lane }: RankedJob) => {
    const { first, last, unranked } = lanes[lane];
    const prefix = `${keyPrefix}:${queue}:`;
    const argv = [prefix, jobId, client, first, last, unranked];
    return scripted.aimmRank(...keysOf(queue), keys.fairTags(queue, lane), ...argv);
  };
  return {
    rank: async (job) => ((await rank(job)) < 0 ? 'missing' : 'ranked'),
    reserve: (job) => rank({ ...job, jobId: '' }),
    release: (queue, endedJobId = '') => scripted.aimmRelease(...keysOf(queue), `${keyPrefix}:${queue}:`, endedJobId),
  };
}

function keysOf(queue: string): string[] {
  return [
    keys.prioritized(queue),
    keys.delayed(queue),
    keys.active(queue),
    keys.wait(queue),
    keys.queueMeta(queue),
    keys.marker(queue),
    keys.priorityCounter(queue),
    keys.fairTags(queue, 'interactive'),
  ];
}

/** How a job of a lane is added before it is ranked: behind everybody, so that nobody is passed meanwhile. */
export function unrankedOptions(lane: Lane, now: number): Pick<JobsOptions, 'priority' | 'delay'> {
  const { first, unranked } = lanes[lane];
  return { priority: unranked, ...(lane === 'batch' && { delay: parkedFrom + unranked - first - now }) };
}
