import { randomUUID } from 'node:crypto';
import { Checkpoint, GeneratePayload, ModelManagerError } from '@aimm/contracts';
import {
  generationJobId,
  type Producer,
  type Requests,
  toSuccessor,
  type UnsettledJob,
  type UnsettledJobs,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { toOwedRows } from './ledger-rows.ts';
import type { LedgerWriter } from './ledger-writer.ts';
import type { PoisonSettler } from './poison-settler.ts';

/** What one round found, in jobs. All zero where everything was in order. */
export interface ReconciledCounts {
  /** Ended, and their rows not known to be in the ledger: brought once more. */
  unaccounted: number;
  /** Failed by BullMQ, and nobody had told their clients. */
  abandoned: number;
  /** In no list, a call long past the deadline: ended as `outcome_unknown`. */
  stranded: number;
  /** Ended in favour of a fallback that was never added: added. */
  fallbacks: number;
  /** Gone from Redis before their calls were accounted for. Cannot be mended. */
  vanished: number;
  /** Could not be read or settled, of a newer release maybe: left for the next round. */
  failed: number;
}

/** Settles what crashes left unsettled. One worker of all does so at a time. */
export interface Reconciler {
  /** One round; undefined where another worker is at it, or has just been. Unless `anew`, which leaves the latter aside. */
  run(anew?: boolean): Promise<ReconciledCounts | undefined>;
  close(): Promise<void>;
}

export interface ReconcilerOptions {
  unsettled: UnsettledJobs;
  requests: Requests;
  /** Those whose failures are looked at. */
  queues: () => readonly string[];
  ledger: Pick<LedgerWriter, 'record'>;
  producer: Pick<Producer, 'addGeneration'>;
  settlePoisoned: PoisonSettler;
  isDemo: () => boolean;
  /** By the clock of deadlines. */
  now: () => number;
  logger: Logger;
  onReconciled?: ((counts: ReconciledCounts) => void) | undefined;
  everyMs?: number;
}

const pageSize = 100;
/** The rest comes next round, from where this one stopped: Redis also serves those who wait. */
const maxPerRound = 2_000;
/** An event-driven settler has this long before failures are looked at. */
const failureGraceMs = 5_000;
/** A started call may end this long after its request's deadline. */
const deadlineGraceMs = 60_000;
/** Longer than a ledger write takes: what has its outcome and is still not accounted for was cut off. */
const settledGraceMs = 60_000;
/** When another worker is at it at the start: it may have died there, and its claim outlives it. */
const triedAgainAfterMs = 5_000;

function parse(checkpoint: string | undefined): Checkpoint | undefined {
  return checkpoint === undefined ? undefined : Checkpoint.parse(JSON.parse(checkpoint));
}

const none = { unaccounted: 0, abandoned: 0, stranded: 0, fallbacks: 0, vanished: 0, failed: 0 };

/** Begins at once, then every minute, give or take a quarter: workers that started together do not stay together. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const {
    unsettled,
    requests,
    queues,
    ledger,
    producer,
    settlePoisoned,
    isDemo,
    logger,
    now: clock,
    everyMs = 60_000,
  } = options;
  const id = randomUUID();
  let offset = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  /** Brings what the job owes to the ledger, and then takes it off the set. */
  const account = async (job: UnsettledJob, generation: GeneratePayload | undefined) => {
    if (generation !== undefined) await ledger.record(toOwedRows(generation, parse(job.checkpoint), isDemo()));
    await unsettled.forget(job);
  };

  /** A fallback that a crash, or a Redis that went away, kept from being added. */
  const resumeFallback = async ({ queue, jobId, outcome, checkpoint }: UnsettledJob, generation: GeneratePayload) => {
    if (outcome?.status !== 'failed') return false;
    const record = await requests.find(generation.requestId);
    if (record?.jobId !== jobId || record.queue !== queue) return false;
    const next = toSuccessor(generation, outcome, parse(checkpoint) ?? { calls: [], rows: [] });
    if (next === undefined || generationJobId(next) === jobId) return false;
    await producer.addGeneration(next);
    return true;
  };

  /** @returns what it was, undefined where all is as it should be */
  const settle = async (job: UnsettledJob): Promise<keyof ReconciledCounts | undefined> => {
    const generation = GeneratePayload.safeParse(job.payload).data;
    switch (job.place) {
      case 'running':
      case 'settled':
        return undefined;
      case 'gone':
        await unsettled.forget(job);
        return 'vanished';
      case 'unreadable':
        throw new TypeError('the job is in a form that this release does not know');
      case 'ended': {
        const resumed = generation !== undefined && (await resumeFallback(job, generation));
        const isGivenUp = job.outcome?.status === 'succeeded' && job.failedReason !== undefined;
        if (job.outcome === undefined || isGivenUp) {
          await settlePoisoned({ ...job, payload: job.payload, failedReason: job.failedReason ?? '' });
          return 'abandoned';
        }
        await account(job, generation);
        return resumed ? 'fallbacks' : 'unaccounted';
      }
      case 'open': {
        const now = clock();
        const isOverdue = now > (generation?.deadlineAt ?? job.since) + deadlineGraceMs;
        if (isOverdue && (await unsettled.isStranded(job))) {
          await settlePoisoned({ ...job, payload: job.payload, failedReason: '' }, { isInNoList: true });
          return 'stranded';
        }
        if (job.outcome === undefined || now < job.since + settledGraceMs) return undefined;
        // It will be taken up to be completed, whenever somebody serves its queue; its calls are known now.
        await account(job, generation);
        return 'unaccounted';
      }
    }
  };

  /** What is wrong with one job concerns no other; what is wrong with the database or Redis concerns all. */
  const trySettle = async (job: { queue: string; jobId: string }, settleIt: () => ReturnType<typeof settle>) => {
    try {
      return { found: await settleIt(), stays: false };
    } catch (error) {
      if (error instanceof ModelManagerError && error.code === 'unavailable') throw error;
      logger.warn({ err: error, queue: job.queue, jobId: job.jobId }, 'A job could not be settled');
      return { found: 'failed' as const, stays: true };
    }
  };

  const settleUnsettled = async (counts: ReconciledCounts) => {
    for (let seen = 0; seen < maxPerRound && !closed; seen += pageSize) {
      const page = await unsettled.read(offset, pageSize);
      for (const job of page) {
        if (job.place === 'settled') continue;
        const { found, stays } = await trySettle(job, () => settle(job));
        if (found === undefined || stays) offset += 1;
        if (found !== undefined) counts[found] += 1;
      }
      if (page.length < pageSize) {
        offset = 0;
        return;
      }
    }
  };

  const settleFailures = async (counts: ReconciledCounts) => {
    for (const queue of queues()) {
      for (const failure of await unsettled.readFailures(queue, pageSize, failureGraceMs)) {
        const { found } = await trySettle(failure, () => settlePoisoned(failure).then(() => 'abandoned' as const));
        if (found !== undefined) counts[found] += 1;
      }
    }
  };

  const run = async (anew = false) => {
    if (!(await unsettled.claimRound(id, anew))) return undefined;
    const counts = { ...none };
    try {
      await settleUnsettled(counts);
      await settleFailures(counts);
    } finally {
      if (Object.values(counts).some((count) => count > 0)) {
        logger.warn(counts, 'Settled jobs that a crash or an outage left unsettled');
      }
      options.onReconciled?.(counts);
      await unsettled.endRound(id, everyMs / 2);
    }
    return counts;
  };

  const runNext = (afterMs: number, anew = false) => {
    if (closed) return;
    timer = setTimeout(() => {
      running = run(anew)
        .catch((error: unknown) => {
          logger.warn({ err: error }, 'Looking for unsettled jobs failed');
          return undefined;
        })
        .then((counts) => {
          const isHeldUp = anew && counts === undefined;
          runNext(isHeldUp ? triedAgainAfterMs : everyMs * (0.75 + Math.random() / 2), isHeldUp);
        });
    }, afterMs).unref();
  };
  let running: Promise<void> = Promise.resolve();
  runNext(0, true);

  return {
    run,
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
