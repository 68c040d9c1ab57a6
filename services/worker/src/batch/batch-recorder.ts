import { setTimeout as delay } from 'node:timers/promises';
import type { AssertionChecks } from '@aimm/batch';
import { type BatchRecord, type GeneratePayload, type LedgerRow, type Outcome } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import type { BatchNews, Producer, Requests } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { askDatabase } from '../ask-database.ts';
import { toBatchRecord } from './to-batch-record.ts';

/** Writes what generations of batches came to. */
export interface BatchRecorder {
  /**
   * Resolves once it is safe: in the database, or in the queue that brings it there. What Redis keeps for the request is dropped
   * then. Does nothing for what is of no batch, and for what goes on elsewhere. Can be repeated. `rows`: of all its calls, where known.
   */
  record(
    payload: Pick<GeneratePayload, 'requestId' | 'batch'>,
    outcome: Outcome,
    rows?: readonly LedgerRow[],
  ): Promise<void>;
  /** Straight to the database; false where it stands there already, or is not wanted any more. @throws unavailable */
  recordNow(record: BatchRecord): Promise<boolean>;
}

export interface BatchRecorderOptions {
  database: () => Promise<Pick<Database, 'batches'>>;
  producer: Pick<Producer, 'addBatchRecord'>;
  requests: Pick<Requests, 'forget'>;
  news: Pick<BatchNews, 'tell'>;
  checks: AssertionChecks;
  now: () => number;
  logger: Logger;
  /** Past this the database counts as down; a late success does no harm. */
  patienceMs?: number;
}

const maxBatch = 200;
/** Ends that come within so long are one write. */
const gatherMs = 15;
/** A database that took nothing is not asked again for so long. */
const downForMs = 5_000;

type Pending = { record: BatchRecord; resolve: () => void; reject: (error: unknown) => void };

export function createBatchRecorder(options: BatchRecorderOptions): BatchRecorder {
  const { database, producer, requests, news, checks, now, logger, patienceMs = 5_000 } = options;
  let pending: Pending[] = [];
  let writing = false;
  let downUntil = 0;

  const write = async (records: readonly BatchRecord[]) => {
    try {
      const written = await askDatabase(database, patienceMs, ({ batches }) => batches.record(records));
      downUntil = 0;
      return written;
    } catch (error) {
      downUntil = Date.now() + downForMs;
      throw error;
    }
  };

  /** What is left of it in Redis goes by itself within a day. */
  const letGo = async (records: readonly BatchRecord[]) => {
    await requests.forget(records.map(({ requestId }) => requestId)).catch(() => undefined);
    for (const id of new Set(records.map(({ batchId }) => batchId))) void news.tell(id, 'results');
  };

  const persist = async (records: readonly BatchRecord[]) => {
    if (Date.now() >= downUntil) {
      try {
        await write(records);
        return;
      } catch (error) {
        const reason = (error as Error).message;
        logger.warn({ results: records.length, reason }, 'The database takes no results of batches; queueing them');
      }
    }
    await Promise.all(records.map((record) => producer.addBatchRecord(record)));
  };

  const drain = async () => {
    writing = true;
    while (pending.length > 0) {
      if (pending.length < maxBatch) await delay(gatherMs);
      const some = pending.slice(0, maxBatch);
      pending = pending.slice(maxBatch);
      try {
        const records = some.map(({ record }) => record);
        await persist(records);
        // Before their jobs complete: who dies in between leaves jobs that bring it here again.
        await letGo(records);
        for (const { resolve } of some) resolve();
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    // In the same breath as the look at what is pending: what came in between would lie there.
    writing = false;
  };

  return {
    async record(payload, outcome, rows) {
      const { batch } = payload;
      if (batch === undefined || (outcome.status === 'failed' && outcome.continues === true)) return;
      const record = await toBatchRecord({ ...payload, batch }, outcome, rows, { at: now(), checks });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pending.push({ record, resolve, reject });
      if (!writing) void drain();
      return promise;
    },
    async recordNow(record) {
      const written = await write([record]);
      await letGo([record]);
      return written === 1;
    },
  };
}
