import type { Redis } from 'ioredis';
import { keys, persistQueues } from './names.ts';
import { createUnsettledJobs } from './unsettled.ts';

/** How long things have been waiting; absent where nothing does. Milliseconds and bytes. */
export interface QueueAges {
  oldestWaitingMs: { queue: string; ageMs: number }[];
  persistBacklog: { jobs: number; oldestMs?: number };
  /** Jobs with a call that is not in the ledger yet, and since when the oldest of those calls runs. */
  unsettled: { jobs: number; oldestMs?: number };
  memory: { usedBytes: number; limitBytes?: number };
}

/** Of a long list the end that is taken next, which is as good as always the oldest. */
const lookedAt = 50;
/** Rows that wait come 200 to a job: more jobs than this are an outage of hours, and its age shows all the same. */
const backlogLookedAt = 500;

/** Reads the ages of what the given queues hold. A few round trips whatever the load; never writes. */
export async function readQueueAges(redis: Redis, queues: readonly string[], now: number): Promise<QueueAges> {
  const [waiting, memory] = await Promise.all([
    Promise.all(queues.map((queue) => readWaiting(redis, queue))),
    redis.info('memory'),
  ]);
  const ages = await Promise.all(
    waiting.map(async ({ queue, next }) => ({ queue, at: earliest(await readTimes(redis, queue, next)) })),
  );
  const [persistBacklog, { count, oldestAt }] = await Promise.all([
    readBacklog(redis, now),
    createUnsettledJobs(redis).measure(),
  ]);
  return {
    oldestWaitingMs: ages.flatMap(({ queue, at }) => (at === undefined ? [] : [{ queue, ageMs: age(now, at) }])),
    persistBacklog,
    unsettled: { jobs: count, ...(oldestAt !== undefined && { oldestMs: age(now, oldestAt) }) },
    memory: toMemory(memory),
  };
}

const age = (now: number, at: number) => Math.max(0, now - at);
const earliest = (times: readonly number[]) => (times.length === 0 ? undefined : Math.min(...times));

async function readWaiting(redis: Redis, queue: string) {
  const [next, prioritized] = await Promise.all([
    redis.lrange(keys.wait(queue), -lookedAt, -1),
    redis.zrange(keys.prioritized(queue), '0', String(lookedAt - 1)),
  ]);
  return { queue, next: [...next, ...prioritized] };
}

async function readFields(redis: Redis, queue: string, jobIds: readonly string[], field: string): Promise<string[]> {
  if (jobIds.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const jobId of jobIds) pipeline.hget(keys.job(queue, jobId), field);
  const answers = (await pipeline.exec()) ?? [];
  return answers.flatMap(([error, value]) => (error === null && typeof value === 'string' ? [value] : []));
}

async function readTimes(redis: Redis, queue: string, jobIds: readonly string[]): Promise<number[]> {
  return (await readFields(redis, queue, jobIds, 'timestamp')).map(Number);
}

/** Rows of the ledger, turns of conversations and results of batches. */
async function readBacklog(redis: Redis, now: number): Promise<QueueAges['persistBacklog']> {
  const all = await Promise.all(persistQueues.map((queue) => readOwed(redis, queue)));
  const oldest = earliest(all.flatMap(({ times }) => times));
  return {
    jobs: all.reduce((sum, { jobs }) => sum + jobs, 0),
    ...(oldest !== undefined && { oldestMs: age(now, oldest) }),
  };
}

async function readOwed(redis: Redis, queue: string): Promise<{ jobs: number; times: number[] }> {
  // Between attempts they are delayed.
  const [wait, active, delayed, jobs] = await Promise.all([
    redis.lrange(keys.wait(queue), -backlogLookedAt, -1),
    redis.lrange(keys.active(queue), 0, -1),
    redis.zrange(keys.delayed(queue), '0', String(backlogLookedAt - 1)),
    Promise.all([redis.llen(keys.wait(queue)), redis.llen(keys.active(queue)), redis.zcard(keys.delayed(queue))]),
  ]);
  return {
    jobs: jobs.reduce((sum, count) => sum + count, 0),
    times: await readTimes(redis, queue, [...wait, ...active, ...delayed]),
  };
}

function toMemory(info: string): QueueAges['memory'] {
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const limitBytes = read('maxmemory');
  return { usedBytes: read('used_memory'), ...(limitBytes > 0 && { limitBytes }) };
}
