import {
  type BatchRecord,
  Checkpoint,
  type ComparePayload,
  type ConversationTurn,
  type GeneratePayload,
  type JobName,
  type JobPayload,
  jobs,
  type LedgerRow,
  type RequestRecord,
} from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { FlowProducer, type JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { createBudgets, toBudgetCosts } from './budgets.ts';
import { withRedis } from './connection.ts';
import { createErrorLog } from './error-log.ts';
import { createFairOrder } from './fair-order.ts';
import { generationOptions, retention, toRankedJob } from './generation-jobs.ts';
import { fields, keyPrefix, keys, queueOf, requestIdOf } from './names.ts';
import { toBatchRecordJobId, untilTaken, toUsageJobId } from './persist-jobs.ts';
import { createRequestMemory } from './remember-requests.ts';
import { comparisonRecord, generationRecord } from './request-records.ts';
import { createCancelMark } from './requests.ts';

/** One write: Redis also serves others. */
const addedAtOnce = 100;

/** Adds jobs. Every add can be repeated with the same id and makes one job; every method fails within 2 s. */
export interface Producer {
  /** `goesOn`: its client knows that it is queued, as another job or behind another's call; should this fail, somebody adds it again. */
  addGeneration(payload: GeneratePayload, options?: { goesOn?: boolean }): Promise<void>;
  /**
   * Many at once, of a batch. A repetition adds what is not there; not for conversations, flights or hops. Each is remembered, and
   * forgotten once its result is in the database.
   */
  addGenerations(payloads: readonly GeneratePayload[]): Promise<void>;
  /** One flow: the generations run in their providers' queues, then the comparison joins what became of them. */
  addComparison(payload: ComparePayload, generations: readonly GeneratePayload[]): Promise<void>;
  addProbe(name: 'list-models' | 'check-health', payload: JobPayload<'check-health'>): Promise<void>;
  /** Ledger rows that the database would not take now. */
  addUsage(rows: readonly LedgerRow[]): Promise<void>;
  /** A conversation's turn that the database would not take now. */
  addTurn(turn: ConversationTurn): Promise<void>;
  /** How a generation of a batch ended, which the database would not take now. */
  addBatchRecord(record: BatchRecord): Promise<void>;
  /**
   * Ends a job that waits, and says so; a job that runs is marked, and its worker told to abort the call. Jobs that are its children
   * stay. `missing`: no such job. `ended`: it had ended before. `moved`: its request goes on as another job, or is about to. `asWhole`:
   * that one, or the job itself where it is missing and comes later, calls nobody either. `onRemoved` is given the rows of the calls
   * that a removed job had made.
   */
  cancel(
    queue: string,
    jobId: string,
    options?: { asWhole?: boolean; onRemoved?: (rows: readonly LedgerRow[]) => void },
  ): Promise<'missing' | 'removed' | 'signalled' | 'ended' | 'moved'>;
  /** Lets a failed job run once more, whatever its attempts. False where it is not among the failed ones. */
  runAgain(queue: string, jobId: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface ProducerOptions {
  redis: Redis;
  logger: Logger;
  /**
   * Whether a request whose add failed is to be kept from running, should Redis have taken the add after all. For fronts,
   * which tell their client that nothing was enqueued; not for workers, which add again.
   */
  recallsFailedAdds?: boolean;
}

export function createProducer({ redis, logger, recallsFailedAdds = false }: ProducerOptions): Producer {
  const options = { connection: redis, prefix: keyPrefix, skipWaitingForReady: true, skipVersionCheck: true };
  const queues = new Map<string, Queue>();
  const onError = createErrorLog(logger, 'A queue reported an error');
  const mark = createCancelMark(redis);
  const order = createFairOrder(redis);
  const budgets = createBudgets(redis);

  // BullMQ asks Redis for its version when a queue is made, and one whose question failed never works again:
  // queues are made once Redis answers, and made anew after a failure.
  const queue = (name: string): Queue => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const created = new Queue(name, { ...options, streams: { events: { maxLen: 1_000 } } });
    created.on('error', onError);
    queues.set(name, created);
    return created;
  };
  let flows: FlowProducer | undefined;
  const openFlows = (): FlowProducer => {
    if (flows !== undefined) return flows;
    flows = new FlowProducer({ connection: redis, prefix: keyPrefix, skipWaitingForReady: true });
    flows.on('error', onError);
    return flows;
  };
  const closeAll = async () => {
    const opened = [...queues.values(), ...(flows === undefined ? [] : [flows])];
    queues.clear();
    flows = undefined;
    await Promise.all(opened.map((each) => each.close().catch(() => undefined)));
  };
  const run = <T>(work: () => Promise<T>) =>
    withRedis(redis, work).catch((error: unknown) => {
      void closeAll();
      throw error;
    });

  const add = <N extends JobName>(name: N, payload: JobPayload<N>, jobOptions: JobsOptions, provider?: string) =>
    run(async () => {
      await queue(queueOf(name, provider)).add(name, payload, jobOptions);
    });
  const memory = createRequestMemory(redis);

  const recall = (records: readonly RequestRecord[]) => {
    if (!recallsFailedAdds) return;
    // On the same connection, so after the add.
    for (const record of records) void mark(record.queue, record.jobId).catch(() => undefined);
  };

  return {
    async addGeneration(payload, { goesOn = false } = {}) {
      const record = generationRecord(payload);
      const added = run(async () => {
        // One burst, in this order: whoever sees the job finds its record, but for a hop, whose record is the job's before until it is
        // there; and its turn follows before anybody else's add.
        const { hop, parentId } = payload;
        const remember = () => memory.remember(record, parentId, hop);
        const remembered = hop === undefined ? remember() : atEndOfBurst(remember);
        const queued = queue(record.queue).add('generate', payload, generationOptions(payload));
        const [known, , rank] = await Promise.all([
          remembered,
          queued,
          atEndOfBurst(() => order.rank(toRankedJob(payload))),
        ]);
        if (known === 'missing') await remember();
        if (rank === 'missing') await order.rank(toRankedJob(payload));
      });
      await added.catch((error: unknown) => {
        if (!goesOn) recall([record]);
        throw error;
      });
    },

    async addGenerations(payloads) {
      for (let start = 0; start < payloads.length; start += addedAtOnce) {
        const some = payloads.slice(start, start + addedAtOnce);
        await run(async () => {
          await Promise.all(some.map((payload) => memory.remember(generationRecord(payload), payload.parentId)));
          for (const [name, group] of Map.groupBy(some, ({ provider }) => queueOf('generate', provider))) {
            await queue(name).addBulk(
              group.map((payload) => ({ name: 'generate', data: payload, opts: generationOptions(payload) })),
            );
          }
          // What a crash keeps from its place stands behind the others, and runs all the same.
          await Promise.all(some.map((payload) => order.rank(toRankedJob(payload))));
        });
      }
    },

    async addComparison(payload, generations) {
      const whole = comparisonRecord(payload);
      const records = [whole, ...generations.map(generationRecord)];
      const added = run(async () => {
        const priorities = await Promise.all(generations.map((generation) => order.reserve(toRankedJob(generation))));
        const flow = openFlows().add({
          name: 'compare',
          queueName: queueOf('compare'),
          data: payload,
          opts: { jobId: payload.requestId, attempts: 3, ...retention },
          children: generations.map((generation, index) => ({
            name: 'generate',
            queueName: queueOf('generate', generation.provider),
            data: generation,
            opts: {
              ...generationOptions(generation),
              ...(priorities[index] !== undefined && { priority: priorities[index] }),
              ignoreDependencyOnFailure: true,
            },
          })),
        });
        await Promise.all([
          ...records.map((record) => memory.remember(record, record === whole ? undefined : payload.requestId)),
          flow,
        ]);
      });
      await added.catch((error: unknown) => {
        recall(records);
        throw error;
      });
    },

    addProbe: (name, payload) =>
      add(
        name,
        payload,
        { jobId: payload.requestId, removeOnComplete: { age: 60, count: 100 }, removeOnFail: { age: 60 } },
        payload.provider,
      ),

    addUsage: (rows) => add('persist-usage', { rows: [...rows] }, { jobId: toUsageJobId(rows), ...untilTaken }),

    addTurn: (turn) => add('persist-turn', { turn }, { jobId: `turn_${turn.requestId ?? turn.id}`, ...untilTaken }),

    addBatchRecord: (record) =>
      add('persist-batch', { record }, { jobId: toBatchRecordJobId(record.requestId), ...untilTaken }),

    async cancel(queueName, jobId, options) {
      const marked = await mark(queueName, jobId, options);
      if (marked === 'missing' || marked === 'ended' || marked === 'moved') return marked;
      if (marked === 'marked') {
        // Nothing of it changes any more but by the worker that has it.
        const { rows, budget } = await readCalls(redis, queueName, jobId);
        const removed = await run(() =>
          queue(queueName)
            // What is known of the calls of its children is known by these alone.
            .remove(jobId, { removeChildren: false })
            .then((count) => count === 1)
            // Locked: a worker has it.
            .catch(() => false),
        );
        if (removed) {
          const costs = toBudgetCosts(budget, rows);
          await withRedis(redis, () => budgets.settle(requestIdOf(jobId), costs)).catch((error: unknown) => {
            logger.warn({ err: error, jobId }, 'A reservation could not be given back; it ends by itself');
          });
          options?.onRemoved?.(rows);
          return 'removed';
        }
      }
      await withRedis(redis, () => redis.publish(keys.cancelChannel, jobId));
      return 'signalled';
    },

    runAgain: (queueName, jobId) =>
      run(async () => {
        const job = await queue(queueName).getJob(jobId);
        if (job === undefined || !(await job.isFailed())) return false;
        await job.retry('failed');
        return true;
      }),

    close: closeAll,
  };
}

/** The calls that a job has made which was put back, and who pays for them. */
async function readCalls(redis: Redis, queue: string, jobId: string) {
  const [data, checkpoint] = await withRedis(redis, () =>
    redis.hmget(keys.job(queue, jobId), 'data', fields.checkpoint),
  );
  const { budget = [] } = PaidFromBudget.safeParse(JSON.parse(data ?? 'null')).data ?? {};
  const rows = checkpoint == null ? [] : Checkpoint.parse(JSON.parse(checkpoint)).rows;
  return { rows, budget };
}

const PaidFromBudget = jobs.generate.payload.pick({ budget: true });

/** BullMQ writes an add some microtasks after it is asked to: a tick comes when there are no more of those. */
function atEndOfBurst<T>(work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    process.nextTick(() => work().then(resolve, reject));
  });
}
