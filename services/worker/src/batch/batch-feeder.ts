import type { Catalog } from '@aimm/catalog';
import type { Database, StoredBatch, StoredColumn } from '@aimm/database';
import {
  type BatchJobs,
  type BatchNews,
  type BatchNewsKind,
  type Budgets,
  createErrorLog,
  type Producer,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createUuid } from '@aimm/runtime/uuid';
import { createBatchBudgets } from './batch-budgets.ts';
import type { BatchRecorder } from './batch-recorder.ts';
import { createColumnFeeder, type LiveBatch } from './feed-columns.ts';
import { isolateBatch } from './isolate-batch.ts';
import { createBatchSweeper } from './sweep-batch.ts';

/** Keeps batches going: one worker of all does at a time. */
export interface BatchFeeder {
  close(): Promise<void>;
}

export interface BatchFeederOptions {
  database: () => Promise<Pick<Database, 'batches' | 'ledger'>>;
  catalog: Catalog;
  /** Over a connection that fails at once: what is sent late could be made twice. */
  producer: Pick<Producer, 'addGenerations' | 'cancel'>;
  jobs: BatchJobs;
  news: Pick<BatchNews, 'listen' | 'close'>;
  budgets: Budgets;
  recorder: Pick<BatchRecorder, 'record'>;
  /** By the clock of deadlines. */
  now: () => number;
  logger: Logger;
}

/** Whoever feeds and dies is followed by another after so long. */
const leaseMs = 4_000;
/** A word that something has changed comes sooner; what was lost on the way is found by this. */
const roundMs = { busy: 500, idle: 2_000 };
/** Results come by the hundred: one round for those of so long. */
const shortestPauseMs = 20;
/** After a failure, the longest; the first is followed by another try at once. */
const longestRetryMs = 5_000;
const sweepEveryMs = 2_000;
const tidyEveryMs = 60_000;
/** Whoever prepares a batch says every 20 s that it lives. */
const abandonedAfterMs = 120_000;

export function createBatchFeeder(options: BatchFeederOptions): BatchFeeder {
  const { database, jobs, news, now, logger } = options;
  const uuid = createUuid();
  const budgets = createBatchBudgets(options);
  const feeder = createColumnFeeder({ ...options, budgets, createId: () => `gen_${uuid()}` });
  const sweeper = createBatchSweeper({ ...options, budgets });
  const lease = jobs.lease();
  let wasHolder = false;
  let sweptAt = 0;
  let tidiedAt = 0;
  /** Batches that were paused or cancelled, and whose queues were looked through since. */
  let stopped = new Set<string>();

  const lookAfter = async ({ batches }: Pick<Database, 'batches'>): Promise<boolean> => {
    const time = now();
    const found = await batches.listLive(time);
    const running: LiveBatch[] = [];
    const isSweep = time >= sweptAt + sweepEveryMs;
    const nowStopped = new Set<string>();
    for (const one of found) await isolateBatch({ batches, logger }, one, () => lookAt(one));
    stopped = nowStopped;
    if (isSweep) sweptAt = time;
    if (time >= tidiedAt + tidyEveryMs) {
      tidiedAt = time;
      const removed = await batches.removeAbandoned(time - abandonedAfterMs);
      if (removed > 0) logger.info({ removed }, 'Removed batches whose preparation was cut off');
    }
    await feeder.feedAll(batches, running);
    return found.length > 0;

    async function lookAt(one: StoredBatch): Promise<void> {
      const columns = await batches.columns(one.id);
      const batch = await resume(one, time);
      if (batch.status !== 'running') {
        nowStopped.add(batch.id);
        if (isSweep || !stopped.has(batch.id)) await stop(batch, columns);
      }
      if (isSweep) await sweeper.sweep(batches, batch, columns);
      const outstanding = await batches.outstanding(batch.id);
      if (batch.status === 'running') running.push(toLive(batch, columns, outstanding));
      if (outstanding.length === 0 && (await batches.finishIfDone(batch.id)))
        logger.info({ batchId: batch.id, status: batch.status }, 'A batch has ended');
    }

    /** A budget may have renewed. */
    async function resume(batch: StoredBatch, at: number): Promise<StoredBatch> {
      if (batch.status !== 'paused' || batch.resumeAt === undefined || batch.resumeAt > at) return batch;
      feeder.wake(batch.id);
      const isOn = await batches.resumeDue(batch.id, at);
      return isOn ? { ...batch, status: 'running' } : batch;
    }

    async function stop(batch: StoredBatch, columns: readonly StoredColumn[]): Promise<void> {
      if (batch.status === 'paused') return sweeper.withdraw(batches, batch, columns);
      await batches.cancelWaiting(batch.id);
      await sweeper.cancel(batches, batch, columns);
    }
  };

  /** @returns after how long the next round is due, unless it is called for */
  const round = async (): Promise<number> => {
    if (!(await lease.hold(leaseMs))) {
      wasHolder = false;
      return roundMs.idle;
    }
    if (!wasHolder) feeder.forgetAll();
    wasHolder = true;
    return (await lookAfter(await database())) ? roundMs.busy : roundMs.idle;
  };

  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let isDue = false;
  let failures = 0;
  const onFailure = createErrorLog(logger, 'Batches could not be fed; trying again');
  let running: Promise<void> | undefined;
  const run = () => {
    clearTimeout(timer);
    timer = undefined;
    if (closed || running !== undefined) return;
    isDue = false;
    running = round()
      .then((pauseMs) => {
        failures = 0;
        return pauseMs;
      })
      .catch((error: unknown) => {
        failures += 1;
        // A connection that is only being made is no news.
        if (failures > 2) onFailure(error as Error);
        logger.debug({ err: error }, 'Feeding batches failed');
        return Math.min(longestRetryMs, 100 * 2 ** failures);
      })
      .then((pauseMs) => {
        running = undefined;
        if (!closed) timer = setTimeout(run, isDue && failures === 0 ? shortestPauseMs : pauseMs).unref();
      });
  };
  const call = (batchId: string, kind: BatchNewsKind) => {
    if (kind === 'change') feeder.wake(batchId);
    if (closed || isDue) return;
    // Whoever is not at it looks whether it may be, and that is enough.
    isDue = true;
    if (running === undefined && (wasHolder || timer === undefined)) {
      clearTimeout(timer);
      timer = setTimeout(run, shortestPauseMs).unref();
    }
  };
  news.listen(call);
  run();

  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      news.close();
      await running;
      if (wasHolder) await lease.release().catch(() => undefined);
    },
  };
}

function toLive(
  batch: StoredBatch,
  columns: readonly StoredColumn[],
  outstanding: readonly { column: number; count: number; bytes: number }[],
): LiveBatch {
  return {
    batch,
    columns,
    outstanding: new Map(outstanding.map(({ column, count, bytes }) => [column, { count, bytes }])),
  };
}
