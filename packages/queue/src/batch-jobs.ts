import { randomUUID } from 'node:crypto';
import { type BudgetShare, type ErrorShape, type LedgerRow, type Outcome, RequestRecord } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { createLease, type Lease } from './lease.ts';
import { withRedis } from './connection.ts';
import { fields, keys, queueOf, toMember } from './names.ts';
import { toBatchRecordJobId } from './persist-jobs.ts';
import { createReadBriefStates } from './request-states.ts';
import { createRequests } from './requests.ts';

/** A generation of a batch, by the queue that its job stands in. */
export interface BatchJob {
  provider: string;
  requestId: string;
}

/** What Redis knows of one. `lost`: nothing; `owed`: its result is on its way to the database. */
export type BatchJobState =
  | { state: 'lost' | 'owed' | 'open' }
  /** It has ended; `outcome` is absent where BullMQ ended it. `rows`: of its calls, where it still has them; the ledger may not yet. */
  | { state: 'ended'; outcome?: Outcome; error?: ErrorShape; rows?: LedgerRow[] };

/** The jobs of batches, as the one sees them who feeds them. Nothing of this is truth: the database is. */
export interface BatchJobs {
  /** In the order given. @throws unavailable */
  look(jobs: readonly BatchJob[]): Promise<BatchJobState[]>;
  /**
   * Takes out of their queues what has not begun, in one step each, so that no worker can begin it. Gives what was taken,
   * with what it holds of budgets. @throws unavailable
   */
  withdraw(jobs: readonly BatchJob[]): Promise<{ requestId: string; budget: BudgetShare[] }[]>;
  /** By one process of all at a time. */
  lease(): Lease;
}

/**
 * KEYS: job, lock, unsettled, prioritized, delayed, wait, record. ARGV: id, member. What a worker holds stays, and what has begun: its
 * hash is all that is known of its call. Gives the record.
 */
const withdrawScript = `
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('ZSCORE', KEYS[3], ARGV[2]) then return false end
if redis.call('HEXISTS', KEYS[1], '${fields.checkpoint}') == 1 then return false end
local removed = redis.call('ZREM', KEYS[4], ARGV[1]) + redis.call('ZREM', KEYS[5], ARGV[1]) + redis.call('LREM', KEYS[6], 1, ARGV[1])
if removed == 0 then return false end
local record = redis.call('GET', KEYS[7])
redis.call('DEL', KEYS[1], KEYS[7])
return record or ''`;

type Scripted = Redis & { aimmWithdraw(...given: string[]): Promise<string | null> };

export function createBatchJobs(redis: Redis): BatchJobs {
  redis.defineCommand('aimmWithdraw', { numberOfKeys: 7, lua: withdrawScript });
  const readBriefStates = createReadBriefStates(redis);
  const requests = createRequests(redis);
  const placeOf = ({ provider, requestId }: BatchJob) => ({ queue: queueOf('generate', provider), jobId: requestId });

  const lookAtMissing = async (requestId: string): Promise<BatchJobState> => {
    const [owed, record] = await withRedis(redis, () =>
      Promise.all([
        redis.exists(keys.job(queueOf('persist-batch'), toBatchRecordJobId(requestId))),
        requests.find(requestId),
      ]),
    );
    if (owed === 1) return { state: 'owed' };
    // Somebody took it out of its queue and said so.
    return record?.ended === undefined ? { state: 'lost' } : { state: 'ended', error: record.ended.error };
  };

  return {
    async look(jobs) {
      const states = await readBriefStates(jobs.map(placeOf));
      return Promise.all(
        jobs.map(async (job, index): Promise<BatchJobState> => {
          const status = states[index]?.status ?? 'missing';
          if (status === 'missing') return lookAtMissing(job.requestId);
          if (status === 'queued' || status === 'running') return { state: 'open' };
          const { queue, jobId } = placeOf(job);
          const [{ outcome, status: now }, checkpoint] = await Promise.all([
            requests.readJob(queue, jobId),
            requests.readCheckpoint({ queue, jobId }),
          ]);
          if (now === 'missing') return lookAtMissing(job.requestId);
          const rows = checkpoint === undefined ? {} : { rows: checkpoint.rows };
          return { state: 'ended', ...(outcome !== undefined && { outcome }), ...rows };
        }),
      );
    },

    async withdraw(jobs) {
      const records = await withRedis(redis, () =>
        Promise.all(
          jobs.map((job) => {
            const { queue, jobId } = placeOf(job);
            return (redis as Scripted).aimmWithdraw(
              keys.job(queue, jobId),
              keys.jobLock(queue, jobId),
              keys.unsettled,
              keys.prioritized(queue),
              keys.delayed(queue),
              keys.wait(queue),
              keys.request(jobId),
              jobId,
              toMember({ queue, jobId }),
            );
          }),
        ),
      );
      return jobs.flatMap(({ requestId }, index) => {
        const json = records[index];
        if (json === null || json === undefined) return [];
        const budget = json === '' ? undefined : RequestRecord.parse(JSON.parse(json)).budget;
        return [{ requestId, budget: budget ?? [] }];
      });
    },

    lease: () => createLease(redis, keys.batchFeeder, randomUUID()),
  };
}
