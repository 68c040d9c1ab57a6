import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '@aimm/database';
import type { Logger } from '@aimm/runtime';

export interface BatchRetentionOptions {
  database: () => Promise<Pick<Database, 'batches'>>;
  /** Batches are deleted so many days after they ended. */
  retentionDays: number;
  logger: Logger;
  now?: () => number;
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
  const { database, retentionDays, logger, now = Date.now, everyMs = 600_000 } = options;
  const closing = new AbortController();
  const { signal } = closing;

  const keep = async () => {
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
  const run = async () => {
    while (!signal.aborted) {
      try {
        await keep();
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'Old batches could not be deleted; it is tried again');
      }
      // Aborted: closing.
      await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    keep,
    async close() {
      closing.abort();
      await running;
    },
  };
}
