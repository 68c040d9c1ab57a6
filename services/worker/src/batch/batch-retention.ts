import type { Database } from '@aimm/database';
import type { Logger } from '@aimm/runtime';
import { repeat } from '../repeat.ts';

export interface BatchRetentionOptions {
  database: () => Promise<Pick<Database, 'batches'>>;
  /** Batches are deleted so many days after they ended. */
  retentionDays: number;
  logger: Logger;
  /** Epoch milliseconds, by a clock that all processes go by: what it says is too old is deleted. */
  now: () => number;
  everyMs?: number;
}

export interface BatchRetention {
  /** Deletes all that are too old now. @throws unavailable */
  keep(): Promise<void>;
  close(): Promise<void>;
}

const dayMs = 86_400_000;
const listedAtOnce = 20;

/** Deletes old batches with all that was asked and answered; the ledger keeps what they cost. Every worker looks, and each is deleted by one. */
export function createBatchRetention(options: BatchRetentionOptions): BatchRetention {
  const { database, retentionDays, logger, now, everyMs = 600_000 } = options;

  const keep = async (signal: AbortSignal) => {
    const { batches } = await database();
    const endedBefore = now() - retentionDays * dayMs;
    // Those that cannot go yet are passed by: a vendor still has something of them.
    for (let after: string | undefined; !signal.aborted;) {
      const ids = await batches.listEnded({ endedBefore, after, limit: listedAtOnce });
      for (const id of ids) {
        if (signal.aborted) return;
        if (await batches.discard(id)) logger.info({ batchId: id }, 'A batch was deleted, as it ended long ago');
      }
      after = ids.at(-1);
      if (ids.length < listedAtOnce) return;
    }
  };
  const repeated = repeat(keep, {
    everyMs,
    onFailure: (error) => logger.warn({ err: error }, 'Old batches could not be deleted; it is tried again'),
  });
  return { keep: () => keep(repeated.signal), close: () => repeated.close() };
}
