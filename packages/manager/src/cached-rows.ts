import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerRow } from '@aimm/contracts';
import type { DatabaseOnDemand } from '@aimm/database';
import type { Producer } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { askLedger } from './ask-ledger.ts';

/** Writes the ledger rows of answers from the cache, which no worker sees, behind the answers' backs. */
export interface CachedRows {
  record(row: LedgerRow): void;
  /** What was recorded is written, or lost with a word in the log. */
  close(): Promise<void>;
}

/** Answers from the cache come in numbers: their rows go together. */
const gatherMs = 20;
const patienceMs = 2_000;

export function createCachedRows({
  database,
  producer,
  logger,
}: {
  database: DatabaseOnDemand;
  producer: Pick<Producer, 'addUsage'>;
  logger: Logger;
}): CachedRows {
  let pending: LedgerRow[] = [];
  let writing: Promise<void> | undefined;

  const write = async (rows: readonly LedgerRow[]) => {
    try {
      await askLedger(database, patienceMs, (ledger) => ledger.record(rows));
    } catch {
      await producer.addUsage(rows);
    }
  };
  const drain = async () => {
    await delay(gatherMs);
    while (pending.length > 0) {
      const rows = pending;
      pending = [];
      await write(rows).catch((error: unknown) => {
        logger.warn({ err: error, rows: rows.length }, 'Answers from the cache are missing in the ledger');
      });
    }
    writing = undefined;
  };

  return {
    record(row) {
      pending.push(row);
      writing ??= drain();
    },
    close: async () => writing,
  };
}
