import type { Catalog } from '@aimm/catalog';
import type { BatchRepository, StoredBatch, StoredColumn } from '@aimm/database';
import type { Producer } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { explainMaxCost, findAffordable, hasMore } from './affordable.ts';
import type { BatchBudgets } from './batch-budgets.ts';
import { toBatchPayload } from './batch-payload.ts';
import { isolateBatch } from './isolate-batch.ts';

export interface FeedDependencies {
  catalog: Catalog;
  producer: Pick<Producer, 'addGenerations'>;
  budgets: BatchBudgets;
  /** By the clock of deadlines. */
  now: () => number;
  createId: () => string;
  logger: Logger;
}

/** A batch that runs, with what of it stands in queues. */
export interface LiveBatch {
  batch: StoredBatch;
  columns: readonly StoredColumn[];
  /** By column. */
  outstanding: Map<number, { count: number; bytes: number }>;
}

/** One write to Redis, and so many rows of a transaction, at most: less where the machine does not manage as many in time. */
const takenAtOnce = 100;
/** Text that waits in one provider's queue for batches at most. */
const windowBytes = 16_000_000;
/**
 * What was taken is added within this time or not at all: later somebody else may count it as lost and ask it under another id.
 */
const addWithinMs = 2_000;
/** A budget that refused, or a limit that left no room, is asked again so soon while results of the batch are still to come. */
const askAgainMs = 1_000;
/** A column with nothing left is looked at again so seldom, unless there is word of a change. */
const restMs = 2_000;
/** Another request may give something back, or somebody raise the budget, before it renews. */
const longestPauseMs = 5_000;
const mostTold = 1_000;

/** How many generations of batches may stand in a provider's queue: what its workers take in a few seconds. */
export function toWindow({
  concurrency,
  requestsPerMinute,
}: {
  concurrency: number;
  requestsPerMinute?: number;
}): number {
  const inThreeSeconds = requestsPerMinute === undefined ? 0 : Math.ceil(requestsPerMinute / 20);
  return Math.min(400, Math.max(20, 4 * concurrency, Math.min(inThreeSeconds, 8 * concurrency)));
}

/** Keeps every provider's queue filled with what batches have to ask, each column getting its share. */
export function createColumnFeeder({ catalog, producer, budgets, now, createId, logger }: FeedDependencies) {
  /** Columns with nothing to give, by batch and number, until when. */
  const resting = new Map<string, number>();
  /** Why batches were paused last, until they go on: one that waits for its budget is paused anew at every look. */
  const told = new Map<string, string>();
  let atOnce = takenAtOnce;
  const keyOf = ({ id }: StoredBatch, { number }: StoredColumn) => `${id} ${number}`;
  const isResting = (batch: StoredBatch, column: StoredColumn) => (resting.get(keyOf(batch, column)) ?? 0) > now();
  const rest = (batch: StoredBatch, column: StoredColumn, forMs: number) =>
    resting.set(keyOf(batch, column), now() + forMs);

  const pause = async (batches: BatchRepository, { id }: StoredBatch, pausedBecause: string, resumeAt?: number) => {
    const isNew = await batches.setStatus(id, ['running'], 'paused', {
      pausedBecause,
      ...(resumeAt !== undefined && { resumeAt }),
    });
    if (!isNew || told.get(id) === pausedBecause) return;
    if (told.size >= mostTold) told.clear();
    told.set(id, pausedBecause);
    logger.info({ batchId: id, pausedBecause }, 'A batch was paused');
  };

  /** @returns how many were taken */
  const feed = async (batches: BatchRepository, live: LiveBatch, column: StoredColumn, room: number, bytes: number) => {
    const { batch, outstanding } = live;
    const isAlone = [...outstanding.values()].every(({ count }) => count === 0);
    const affordable = findAffordable(live, column);
    if (affordable === 0) {
      if (!isAlone) rest(batch, column, askAgainMs);
      else if (await hasMore(batches, batch, column)) await pause(batches, batch, explainMaxCost(batch, column));
      else rest(batch, column, restMs);
      return 0;
    }
    const takenAt = performance.now();
    const limit = Math.min(room, atOnce, affordable ?? atOnce);
    const { taken, skipped } = await batches.take(batch.id, column, { limit, maxBytes: bytes, createId, at: now() });
    if (taken.length === 0) {
      // What a judge reads comes one by one.
      if (column.judges === undefined) rest(batch, column, restMs);
      return skipped;
    }
    const at = now();
    const payloads = taken.map((one) => budgets.plan(batch, toBatchPayload(batch, column, one, at)));
    const { reserved, refusal } = await budgets.reserve(batch, payloads);
    const toQueued = (some: typeof taken) =>
      some.map(({ item, requestId }) => ({ item, requestId, column: column.number, queuedAt: at }));
    const left = taken.slice(reserved.length);
    if (left.length > 0) await batches.putBack(batch.id, toQueued(left));
    if (refusal !== undefined) {
      if (reserved.length === 0 && isAlone) {
        await pause(batches, batch, refusal.because, Math.min(refusal.renewsAt, now() + longestPauseMs));
        return 0;
      }
      rest(batch, column, askAgainMs);
    }
    if (performance.now() - takenAt > addWithinMs) {
      atOnce = Math.max(1, Math.floor(limit / 2));
      logger.warn(
        { batchId: batch.id, generations: reserved.length, nextTime: atOnce },
        'Feeding a batch took too long; it is tried again with less',
      );
      const back = await batches.putBack(batch.id, toQueued(taken.slice(0, reserved.length)));
      for (const { requestId, queuedAt } of back) await budgets.releaseLost(batch, requestId, queuedAt);
      return 0;
    }
    await producer.addGenerations(reserved);
    told.delete(batch.id);
    if (limit >= atOnce) atOnce = Math.min(takenAtOnce, 2 * atOnce);
    const before = outstanding.get(column.number) ?? { count: 0, bytes: 0 };
    const added = taken.slice(0, reserved.length).reduce((sum, one) => sum + one.bytes, 0);
    outstanding.set(column.number, { count: before.count + reserved.length, bytes: before.bytes + added });
    return reserved.length;
  };

  /** What a column may still add, of its provider's window: an even share of it, and no more than is free. */
  const findRoom = (all: readonly LiveBatch[], { outstanding }: LiveBatch, column: StoredColumn) => {
    const provider = catalog.findProvider(column.provider);
    if (provider === undefined) return { room: 0, bytes: 0 };
    let [count, bytes, sharers] = [0, 0, 0];
    for (const other of all) {
      for (const one of other.columns) {
        // What its vendor's batch API has stands in no queue, and may stay there for a day.
        if (one.provider !== column.provider || one.lane !== 'queue') continue;
        const own = other.outstanding.get(one.number) ?? { count: 0, bytes: 0 };
        count += own.count;
        bytes += own.bytes;
        if (own.count > 0 || !isResting(other.batch, one)) sharers += 1;
      }
    }
    const window = toWindow(provider);
    const quota = Math.max(1, Math.floor(window / Math.max(1, sharers)));
    const own = outstanding.get(column.number)?.count ?? 0;
    // Some at a time: a transaction for each one would cost more than all else about it.
    const isLow = own <= quota * 0.75;
    return { room: isLow ? Math.min(quota - own, window - count) : 0, bytes: windowBytes - bytes };
  };

  const feedBatch = async (batches: BatchRepository, all: readonly LiveBatch[], live: LiveBatch) => {
    for (const column of live.columns) {
      // Vendors' batch APIs have a keeper of their own.
      if (column.lane !== 'queue' || isResting(live.batch, column)) continue;
      if (catalog.findProvider(column.provider) === undefined)
        return pause(batches, live.batch, `The provider ${column.provider} is not in the configuration any more.`);
      for (let first = true; ; first = false) {
        const { room, bytes } = findRoom(all, live, column);
        if (room <= 0 || bytes <= 0) break;
        const wanted = Math.min(room, atOnce);
        const count = await feed(batches, live, column, room, bytes);
        if (count < wanted || (!first && isResting(live.batch, column))) break;
      }
    }
  };

  return {
    /** One round over all batches that run. */
    async feedAll(batches: BatchRepository, all: readonly LiveBatch[]): Promise<void> {
      for (const live of all) await isolateBatch({ batches, logger }, live.batch, () => feedBatch(batches, all, live));
    },
    /** Something has changed about a batch: it is looked at anew. */
    wake(batchId: string): void {
      for (const key of resting.keys()) if (key.startsWith(`${batchId} `)) resting.delete(key);
    },
    forgetAll(): void {
      resting.clear();
      told.clear();
    },
  };
}
