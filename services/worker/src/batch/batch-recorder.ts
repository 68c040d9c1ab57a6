import type { AssertionChecks } from '@aimm/batch';
import { type BatchRecord, type GeneratePayload, isContinued, type LedgerRow, type Outcome } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import type { BatchNews, Producer, Requests } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createDatabaseGate } from '../database-gate.ts';
import { gatherWrites } from '../gather-writes.ts';
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

export function createBatchRecorder(options: BatchRecorderOptions): BatchRecorder {
  const { database, producer, requests, news, checks, now, logger, patienceMs = 5_000 } = options;
  const gate = createDatabaseGate({ database, patienceMs, downForMs });
  const write = (records: readonly BatchRecord[]) => gate.ask(({ batches }) => batches.record(records));

  /** What is left of it in Redis goes by itself within a day. */
  const letGo = async (records: readonly BatchRecord[]) => {
    await requests.forget(records.map(({ requestId }) => requestId)).catch(() => undefined);
    for (const id of new Set(records.map(({ batchId }) => batchId))) void news.tell(id, 'results');
  };

  const persist = async (records: readonly BatchRecord[]) => {
    if (!gate.isDown()) {
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

  const gather = gatherWrites<BatchRecord>({
    most: maxBatch,
    waitMs: () => gatherMs,
    async write(records) {
      await persist(records);
      // Before their jobs complete: who dies in between leaves jobs that bring it here again.
      await letGo(records);
    },
  });

  return {
    async record(payload, outcome, rows) {
      const { batch } = payload;
      if (batch === undefined || isContinued(outcome)) return;
      await gather(await toBatchRecord({ ...payload, batch }, outcome, rows, { at: now(), checks }));
    },
    async recordNow(record) {
      const written = await write([record]);
      await letGo([record]);
      return written === 1;
    },
  };
}
