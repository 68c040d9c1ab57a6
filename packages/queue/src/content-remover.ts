import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { holdsContent, toBareCheckpoint, toBareData, toBareOutcome } from './bare-job.ts';
import { fields, keys, queueOf, requestIdOf, toMember } from './names.ts';
import { listServed } from './presence.ts';
import { readRedisTime } from './redis-time.ts';

/** Takes prompts and answers out of jobs that have ended. What is left says who asked, of which model, and how it ended. */
export interface ContentRemover {
  /** One round over all that has ended long enough ago; gives how many jobs were emptied. Any number of workers may do so. */
  run(): Promise<number>;
  close(): Promise<void>;
}

export interface ContentRemoverOptions {
  redis: Redis;
  /** Those whose jobs hold content, besides those of providers that were served before. */
  queues: () => readonly string[];
  /** How long an answer can be read after its request has ended, in milliseconds. */
  keepMs: number;
  logger: Logger;
}

const pageSize = 100;
/** The reconciler gives an outcome to a job that failed without one; what it has not found by then it never will. */
const withoutOutcomeMs = 10 * 60_000;
/** So often all that is kept is looked at: a job that a clock behind had ended stands among those that were passed. */
const wholeEveryMs = 10 * 60_000;
const cursorTtlMs = 8 * 24 * 3_600_000;
/** The append-only file holds what was removed until it is written anew. A Redis behind a network has others to do so. */
const rewriteEveryMs = 10 * 60_000;

/**
 * 0: gone, or it goes on. 2: its calls are not in the ledger yet, and all that is known of them is here. KEYS: job, unsettled jobs, its copy for a comparison. ARGV: when
 * it ended, its member, data, outcome ('' for none), checkpoint ('' for none).
 */
const emptyScript = `#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'finishedOn') ~= ARGV[1] then return 0 end
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 2 end
redis.call('HSET', KEYS[1], 'data', ARGV[3], '${fields.emptied}', '1')
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], '${fields.outcome}', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], '${fields.checkpoint}', ARGV[5]) end
redis.call('HDEL', KEYS[1], '${fields.partial}', 'stacktrace')
redis.call('DEL', KEYS[3])
return 1`;

type Scripted = Redis & { aimmEmpty(job: string, unsettled: string, part: string, ...argv: string[]): Promise<number> };

interface Place {
  queue: string;
  jobId: string;
}

export function createContentRemover({ redis, queues, keepMs, logger }: ContentRemoverOptions): ContentRemover {
  redis.defineCommand('aimmEmpty', { numberOfKeys: 3, lua: emptyScript });
  const scripted = redis as Scripted;
  let closed = false;
  let nextWholeAt = 0;
  // Whoever removed some before may have stopped before the file was written anew.
  let isLogStale = true;

  /** `later`: somebody still needs what it holds. */
  const empty = async ({ queue, jobId }: Place): Promise<'emptied' | 'later' | 'done'> => {
    const job = keys.job(queue, jobId);
    const [finishedOn, emptied, data, outcome, checkpoint] = await redis.hmget(
      job,
      'finishedOn',
      fields.emptied,
      'data',
      fields.outcome,
      fields.checkpoint,
    );
    if (finishedOn == null || emptied != null || data == null) return 'done';
    const payload = parse(data);
    if (!holdsContent(payload)) return 'done';
    if (outcome == null && (await readRedisTime(redis)) - Number(finishedOn) < withoutOutcomeMs) return 'later';
    if (payload.parentId !== undefined && (await isRunning(payload.parentId))) return 'later';
    // What went to a front that has gone, or was read long ago. The names of its entries are times of Redis.
    if (payload.replyTo !== undefined)
      await redis.xtrim(payload.replyTo, 'MINID', (await readRedisTime(redis)) - keepMs);
    const done = await scripted.aimmEmpty(
      job,
      keys.unsettled,
      keys.part(requestIdOf(jobId)),
      finishedOn,
      toMember({ queue, jobId }),
      JSON.stringify(toBareData(payload)),
      outcome == null ? '' : JSON.stringify(toBareOutcome(parse(outcome))),
      checkpoint == null ? '' : JSON.stringify(toBareCheckpoint(parse(checkpoint))),
    );
    return done === 1 ? 'emptied' : done === 2 ? 'later' : 'done';
  };
  /** A comparison reads the answers of its generations when the last of them has ended. */
  const isRunning = async (parentId: string) => {
    const [timestamp, finishedOn] = await redis.hmget(
      keys.job(queueOf('compare'), parentId),
      'timestamp',
      'finishedOn',
    );
    return timestamp != null && finishedOn == null;
  };

  const emptyAll = async (places: readonly Place[]) => {
    let count = 0;
    for (const place of places) {
      if (closed) return count;
      const member = toMember(place);
      const found = await empty(place).catch((error: unknown) => {
        // What is wrong with one job concerns no other; with Redis, all.
        if (redis.status !== 'ready') throw error;
        logger.warn({ ...place, reason: (error as Error).message }, 'A job could not be emptied');
        return 'failed' as const;
      });
      if (found === 'emptied') count += 1;
      if (found === 'failed') await redis.zadd(keys.contentLeft, (await readRedisTime(redis)) + wholeEveryMs, member);
      else if (found === 'later') await redis.zadd(keys.contentLeft, 'NX', await readRedisTime(redis), member);
      else await redis.zrem(keys.contentLeft, member);
    }
    return count;
  };

  /** The jobs that ended since the last round. Those of its last millisecond come again, and are known by their mark. */
  const emptyEnded = async (queue: string, set: 'completed' | 'failed', isWhole: boolean) => {
    const cursor = keys.contentSeen(queue, set);
    const until = (await readRedisTime(redis)) - keepMs;
    let from = isWhole ? 0 : Math.min(Number((await redis.get(cursor)) ?? 0), until);
    let offset = 0;
    let count = 0;
    for (;;) {
      const found = await redis.zrangebyscore(keys[set](queue), from, until, 'WITHSCORES', 'LIMIT', offset, pageSize);
      const ids = found.filter((_, index) => index % 2 === 0);
      count += await emptyAll(ids.map((jobId) => ({ queue, jobId })));
      if (closed || ids.length === 0) return count;
      // By time and not by place: BullMQ removes the oldest meanwhile. Unless a page is all of one millisecond.
      const last = Number(found.at(-1));
      offset = last > from ? 0 : offset + pageSize;
      from = last;
      await redis.set(cursor, from, 'PX', cursorTtlMs);
      if (ids.length < pageSize) return count;
    }
  };

  /** What a clock that was ahead has ended: from now on it is kept as long as anything. */
  const noteEndedAhead = async (queue: string, set: 'completed' | 'failed') => {
    const now = await readRedisTime(redis);
    for (const jobId of await redis.zrangebyscore(keys[set](queue), `(${now}`, '+inf')) {
      if ((await redis.hexists(keys.job(queue, jobId), fields.emptied)) === 1) continue;
      await redis.zadd(keys.contentLeft, 'NX', now + keepMs, toMember({ queue, jobId }));
    }
  };

  const run = async () => {
    const isWhole = performance.now() >= nextWholeAt;
    const left = await redis.zrangebyscore(keys.contentLeft, '-inf', await readRedisTime(redis), 'LIMIT', 0, 1_000);
    let count = await emptyAll(left.map(parseMember));
    const served = (await listServed(redis)).map((id) => queueOf('generate', id));
    for (const queue of new Set([...queues(), ...served])) {
      for (const set of ['completed', 'failed'] as const) {
        count += await emptyEnded(queue, set, isWhole);
        await noteEndedAhead(queue, set);
      }
    }
    if (isWhole) nextWholeAt = performance.now() + wholeEveryMs;
    isLogStale ||= count > 0;
    if (isLogStale && redis.options.path !== undefined) await rewriteLog();
    return count;
  };
  const rewriteLog = async () => {
    const isOurs = await redis.set(keys.logRewritten, '1', 'PX', rewriteEveryMs, 'NX');
    if (isOurs === null) return;
    await redis.bgrewriteaof();
    isLogStale = false;
  };

  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(
    () => {
      if (redis.status !== 'ready' || isBusy) return;
      isBusy = true;
      running = run()
        .catch((error: unknown) => logger.warn({ reason: (error as Error).message }, 'Removing content failed'))
        .finally(() => (isBusy = false));
    },
    Math.min(5_000, Math.max(250, keepMs / 4)),
  ).unref();
  let isBusy = false;

  return {
    run,
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** What is no JSON is emptied as a whole. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

function parseMember(member: string): Place {
  const [queue = '', ...rest] = member.split(':');
  return { queue, jobId: rest.join(':') };
}
