import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ModelManagerError } from '@aimm/contracts';
import type { Logger, Tally } from '@aimm/runtime';
import { Queue, UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { listenForCancels } from './cancel-listener.ts';
import { createAdmission } from './admission.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createErrorLog } from './error-log.ts';
import { createFairOrder } from './fair-order.ts';
import { handBack } from './hand-back.ts';
import type { Handlers } from './job-context.ts';
import { toLimiter } from './limits.ts';
import { createLockKeeper } from './lock-keeper.ts';
import { keyPrefix, keys, persistQueues } from './names.ts';
import { createPaceMeter } from './pace.ts';
import { isGivenUp } from './reasons.ts';
import { runJob, type RunningJobs } from './run-job.ts';
import { createSameModelFirst } from './same-model-first.ts';
import type { Settlement } from './settlement.ts';
import { createWorkerRoom, type WorkerRoom } from './worker-room.ts';

/** Silent workers are looked for this often, or thrice per lock where that is shorter. */
const stalledIntervalMs = 5_000;
/** Ending a job without a call takes milliseconds. */
const drainedAtOnce = 16;
const unlimitedConcurrency = 1_000_000;
/** A job that took its worker down more often is poison. */
const maxStalledByDefault = 3;

export interface QueueToConsume {
  name: string;
  /** Jobs at once in this process. */
  concurrency: number;
  /** Jobs at once over all processes; absent: no limit. */
  globalConcurrency?: number;
  requestsPerMinute?: number;
  /** The host loads one model at a time: jobs of the one that is loaded go first, within bounds. */
  sameModelFirst?: boolean;
  /** How often a job may take its worker down before it is given up; default 3. */
  maxStalledCount?: number;
}

export interface ConsumerOptions {
  settlement?: Settlement;
  /** Shared by all queues for commands; each queue opens a blocking one of its own. */
  redis: Redis;
  handlers: Handlers;
  logger: Logger;
  /**
   * How long a worker that went silent keeps its jobs. A lock lost means a call repeated: long enough for a hiccup of
   * Redis; recovery takes what is left of it and the interval above.
   */
  lockMs: number;
  /** Epoch milliseconds by the clock of deadlines; default: this machine's. */
  now?: () => number;
  tally?: Tally;
  /** Called when a job was given up because it stalled too often, so that its started call can be settled. */
  onPoisoned?: (job: { queue: string; jobId: string; payload: unknown; failedReason: string }) => Promise<void>;
}

export interface Consumer {
  /** Starts taking jobs of a queue; of one that is consumed already, applies the new limits. */
  consume(queue: QueueToConsume): Promise<void>;
  /** Limits have changed: jobs that were put aside for one ask again. */
  wake(): Promise<void>;
  /** Takes no more jobs of a queue; those that run here go on. */
  leave(queue: string): void;
  /**
   * Takes all that waits in a queue that nobody is to serve any more, at once and whatever it waits for: its handler says how it
   * ends. Until `leave`. Can be repeated.
   */
  drain(queue: string): Promise<void>;
  /** Ids of the jobs that run here. */
  running(): string[];
  /** Stops taking jobs, lets running ones finish for `graceMs`, hands back the rest. */
  close(graceMs: number): Promise<void>;
}

export function createConsumer(options: ConsumerOptions): Consumer {
  const { redis, handlers, logger, tally, now = Date.now } = options;
  const workers = new Map<string, { worker: Worker; room: WorkerRoom }>();
  const closing = new Set<Promise<void>>();
  const queues = new Map<string, Queue>();
  const running: RunningJobs = new Map();
  const checkpoints = createCheckpoints(redis);
  const admission = createAdmission(redis);
  const sameModelFirst = createSameModelFirst(redis);
  const order = createFairOrder(redis);
  const pace = createPaceMeter(redis, randomUUID());
  const cancels = listenForCancels(redis, running, logger);
  /** Queues of providers: where jobs wait for their turn. */
  const lines = new Set<string>();
  const locks = createLockKeeper(options.lockMs);
  // A Redis that is away is away for every queue.
  const onQueueError = createErrorLog(logger, 'A queue reported an error');
  const onWorkerError = createErrorLog(logger, 'Consuming a queue failed');
  let leaving = false;
  const everySecond = setInterval(() => {
    if (redis.status !== 'ready') return;
    pace.publish().catch(() => undefined);
    cancels.look().catch(() => undefined);
    // Places that became free without a job of this process ending.
    for (const name of lines) order.release(name).catch(() => undefined);
  }, 1_000).unref();

  const queueFor = (name: string): Queue => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, { connection: redis, prefix: keyPrefix, streams: { events: { maxLen: 1_000 } } });
    queue.on('error', (error) => onQueueError(error, { queue: name }));
    queues.set(name, queue);
    return queue;
  };

  const open = (wanted: QueueToConsume) => {
    const { name, concurrency, requestsPerMinute, maxStalledCount = maxStalledByDefault } = wanted;
    const queue = queueFor(name);
    const process = async (job: Job, token: string | undefined, signal?: AbortSignal) => {
      // It was on its way when the worker began to leave, be it one that the worker has just handed back: nobody would end it.
      if (leaving) throw await handBack(job, token, admission);
      if (lines.has(name)) pace.started(name, job.timestamp);
      const release = locks.hold(worker, job.id ?? '', token ?? '');
      return runJob(job, token ?? '', signal, {
        redis,
        queue,
        queueFor,
        handlers,
        checkpoints,
        admission,
        logger,
        running,
        settlement: options.settlement,
        isLeaving: () => leaving,
        lockMs: options.lockMs,
        now,
        order,
        sameModelFirst: wanted.sameModelFirst === true ? sameModelFirst : undefined,
      }).finally(release);
    };
    // Named parameters, three of them: BullMQ counts them to decide whether to pass the signal.
    const worker = new Worker(name, (job, token, signal) => room.run(job.id ?? '', () => process(job, token, signal)), {
      connection: redis,
      prefix: keyPrefix,
      name: `${hostname()}:${globalThis.process.pid}`,
      concurrency,
      lockDuration: options.lockMs,
      // Redis takes whole milliseconds only.
      stalledInterval: Math.min(stalledIntervalMs, Math.floor(options.lockMs / 3)),
      maxStalledCount,
      runRetryDelay: 500,
      limiter: toLimiter(requestsPerMinute),
      settings: {
        backoffStrategy: (attempt, _type, error) => delayOf(error) ?? Math.min(30_000, 1_000 * 2 ** attempt),
      },
    });
    const room = createWorkerRoom(worker, concurrency);
    worker.on('error', (error) => onWorkerError(error, { queue: name }));
    worker.on('stalled', (jobId) => {
      logger.warn({ queue: name, jobId }, 'A job stalled and is taken up again');
      tally?.count('stalledJobs', { queue: name });
    });
    worker.on('lockRenewalFailed', (jobIds) => {
      tally?.count('lostLocks', { queue: name }, jobIds.length);
      jobIds.forEach((jobId) => running.get(jobId)?.loseLock());
    });
    worker.on('failed', (job, error) => {
      // Of a batch, and in the database by now: nothing of it is asked for here any more.
      if (job !== undefined && 'isRecorded' in error && error.isRecorded === true)
        void queue.remove(job.id ?? '').catch(() => undefined);
      if (job === undefined || !(error instanceof UnrecoverableError) || !isGivenUp(error.message)) return;
      logger.error(
        { queue: name, jobId: job.id, starts: job.attemptsStarted },
        'A job was given up: it kept stopping its workers',
      );
      tally?.count('givenUpJobs', { queue: name });
      const given = { queue: name, jobId: job.id ?? '', payload: job.data as unknown, failedReason: error.message };
      void options.onPoisoned?.(given).catch((failure: unknown) => {
        logger.error({ err: failure, jobId: job.id }, 'Settling a poisoned job failed');
      });
    });
    const opened = { worker, room };
    workers.set(name, opened);
    return opened;
  };

  const leave = (name: string) => {
    const left = workers.get(name);
    if (left === undefined) return;
    workers.delete(name);
    lines.delete(name);
    const closed = left.worker
      .close()
      .catch((error: unknown) => logger.warn({ err: error, queue: name }, 'Leaving a queue failed'))
      .finally(() => closing.delete(closed));
    closing.add(closed);
  };
  const consume = async (wanted: QueueToConsume) => {
    const { name, globalConcurrency } = wanted;
    if (leaving) return;
    // A worker of BullMQ that is full looks at its new size only once a job ends, which may take minutes.
    if (wanted.concurrency > (workers.get(name)?.room.most ?? wanted.concurrency)) leave(name);
    const { worker, room } = workers.get(name) ?? open(wanted);
    room.resize(wanted.concurrency);
    // BullMQ reads it at every job that it takes.
    worker.opts.limiter = toLimiter(wanted.requestsPerMinute);
    // Bull Board only shows these: what was paused before, or by hand, nobody else resumes.
    if (persistQueues.some((queue) => queue === name)) await queueFor(name).resume();
    if (globalConcurrency === undefined) return;
    lines.add(name);
    await queueFor(name).setGlobalConcurrency(globalConcurrency);
    // Whoever found the queue full sleeps until there is a marker.
    await redis.zadd(keys.marker(name), 0, '0');
    await order.release(name);
  };

  return {
    consume,
    wake: () => admission.wake(),
    leave,
    async drain(name) {
      // Nobody is called any more: a pause that the provider asked for is nobody's business, nor is a time to try again. First, as a
      // worker that finds its queue paused sleeps for up to half a minute.
      await redis.del(keys.limiter(name));
      await consume({ name, concurrency: drainedAtOnce, globalConcurrency: unlimitedConcurrency });
      await queueFor(name).promoteJobs({ count: 1_000 });
    },
    running: () => [...running.keys()],
    async close(graceMs) {
      leaving = true;
      clearInterval(everySecond);
      const timer = setTimeout(() => {
        for (const job of running.values()) {
          job.abort(new ModelManagerError('cancelled', 'The worker is shutting down.', { retryable: true }));
        }
      }, graceMs);
      await Promise.all([...[...workers.values()].map(({ worker }) => worker.close()), ...closing]);
      clearTimeout(timer);
      locks.close();
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      await cancels.close();
    },
  };
}

function delayOf(error: unknown): number | undefined {
  return error instanceof Error && 'delayMs' in error && typeof error.delayMs === 'number' ? error.delayMs : undefined;
}
