import { setTimeout as delay } from 'node:timers/promises';
import { type LedgerRow, ModelManagerError } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import type { Producer } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';

/** Writes ledger rows; resolves once they are safe: in the database, or in the queue that brings them there later. */
export interface LedgerWriter {
  record(rows: readonly LedgerRow[]): Promise<void>;
  /** Straight to the database. @throws unavailable */
  recordNow(rows: readonly LedgerRow[]): Promise<number>;
}

export interface LedgerWriterOptions {
  database: () => Promise<Database>;
  producer: Pick<Producer, 'addUsage'>;
  logger: Logger;
  /** Past this the database counts as down; a late success does no harm, rows being idempotent. */
  patienceMs?: number;
}

const maxBatch = 200;
/**
 * Nobody waits for these rows but their own job's place at its provider: a write each would take time from the calls of the
 * moment. Where rows come one by one a place is worth more than a write; where they come in numbers it is the other way.
 */
const gatherMs = { few: 10, many: 25 };
const isMany = (rows: number) => rows > 4;

/** Rows that arrive while a write is under way go together in the next one. */
export function createLedgerWriter({
  database,
  producer,
  logger,
  patienceMs = 5_000,
}: LedgerWriterOptions): LedgerWriter {
  let pending: { rows: readonly LedgerRow[]; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let writing = false;

  const recordNow = async (rows: readonly LedgerRow[]) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new ModelManagerError('unavailable', 'The database did not answer in time.')),
        patienceMs,
      );
    });
    try {
      return await Promise.race([database().then(({ ledger }) => ledger.record(rows)), late]);
    } finally {
      clearTimeout(timer);
    }
  };

  const persist = async (rows: readonly LedgerRow[]) => {
    try {
      await recordNow(rows);
    } catch (error) {
      logger.warn(
        { rows: rows.length, reason: (error as Error).message },
        'The database takes no usage rows; queueing them',
      );
      await producer.addUsage(rows);
    }
  };

  const drain = async () => {
    writing = true;
    let last = 0;
    while (pending.length > 0) {
      if (pending.length < maxBatch) await delay(isMany(Math.max(last, pending.length)) ? gatherMs.many : gatherMs.few);
      const batch = pending.slice(0, maxBatch);
      pending = pending.slice(maxBatch);
      last = batch.length;
      try {
        await persist(batch.flatMap(({ rows }) => rows));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    // In the same breath as the look at what is pending: a row that came in between would lie there.
    writing = false;
  };

  return {
    recordNow,
    record(rows) {
      if (rows.length === 0) return Promise.resolve();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pending.push({ rows, resolve, reject });
      if (!writing) void drain();
      return promise;
    },
  };
}
