import type { LedgerRow } from '@aimm/contracts';
import { type Database, isRefusal } from '@aimm/database';
import type { Producer } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createDatabaseGate } from './database-gate.ts';
import { gatherWrites } from './gather-writes.ts';
import type { UsageSpool } from './usage-spool.ts';

/**
 * Writes ledger rows; resolves once they are safe: in the database, or in the queue that brings them there later, or, where
 * Redis is away too, on the local disk.
 */
export interface LedgerWriter {
  /** @throws ModelManagerError `unavailable` where nothing takes them: they stay in the checkpoint of their job */
  record(rows: readonly LedgerRow[]): Promise<void>;
  /** Straight to the database: all rows but those that it will never take. @throws unavailable */
  recordNow(rows: readonly LedgerRow[]): Promise<Recorded>;
  /** Queues each of these by itself, where it keeps no other one waiting. */
  setAside(refused: readonly LedgerRow[]): Promise<void>;
  /** Rows that are held in memory. There are never more than jobs that run, since each waits for its own. */
  pendingRows(): number;
  /** Writes no more than it was given. */
  close(): Promise<void>;
}

export interface Recorded {
  written: number;
  /** What is in them is nothing that the database takes. */
  refused: LedgerRow[];
}

export interface LedgerWriterOptions {
  database: () => Promise<Database>;
  producer: Pick<Producer, 'addUsage'>;
  spool: UsageSpool;
  logger: Logger;
  /** Past this the database counts as down; a late success does no harm, rows being idempotent. */
  patienceMs?: number;
}

const maxBatch = 200;
/**
 * Nobody waits for these rows but their own job's place at its provider: a write each, and a completion each, would take time
 * from the calls of the moment.
 */
const gatherMs = { up: 25, down: 100 };
/**
 * A database that took no rows is not asked again for so long, lest every call's place waits for its silence; the queue's own
 * attempts tell sooner that it is back.
 */
const downForMs = 10_000;
/** What lies on the disk is tried again as often. */
const replayEveryMs = 5_000;

export function createLedgerWriter({
  database,
  producer,
  spool,
  logger,
  patienceMs = 5_000,
}: LedgerWriterOptions): LedgerWriter {
  let hasSpooled = true;
  const gate = createDatabaseGate({
    database,
    patienceMs,
    downForMs,
    onBack: () => logger.info('The database takes usage rows again'),
  });
  const recordNow = async (rows: readonly LedgerRow[]): Promise<Recorded> => {
    try {
      return { written: await gate.ask(({ ledger }) => ledger.record(rows)), refused: [] };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (rows.length === 1) return { written: 0, refused: [...rows] };
      // One statement takes all of its rows or none.
      const middle = Math.ceil(rows.length / 2);
      const [first, second] = [await recordNow(rows.slice(0, middle)), await recordNow(rows.slice(middle))];
      return { written: first.written + second.written, refused: [...first.refused, ...second.refused] };
    }
  };

  const setAside = async (refused: readonly LedgerRow[]) => {
    for (const row of refused) {
      const { requestId, callNumber, provider, model } = row;
      logger.error(
        { requestId, callNumber, provider, model },
        'The database refuses a usage row; it waits in a job of its own',
      );
      await producer.addUsage([row]);
    }
  };

  const writeOrQueue = async (rows: readonly LedgerRow[]) => {
    if (!gate.isDown()) {
      try {
        const { refused } = await recordNow(rows);
        await setAside(refused);
        return;
      } catch (error) {
        logger.warn(
          { rows: rows.length, reason: (error as Error).message },
          'The database takes no usage rows; queueing them',
        );
      }
    }
    await producer.addUsage(rows);
  };

  const persist = async (rows: readonly LedgerRow[]) => {
    try {
      await writeOrQueue(rows);
    } catch (error) {
      await spool.append(rows);
      hasSpooled = true;
      logger.warn(
        { rows: rows.length, reason: (error as Error).message },
        'Neither the database nor Redis takes usage rows; wrote them to the local disk',
      );
    }
  };

  let replaying: Promise<void> | undefined;
  /** At the start too: another process may have died with rows on this disk. */
  const replay = async () => {
    if (!hasSpooled) return;
    hasSpooled = false;
    try {
      const rows = await spool.replay(writeOrQueue);
      if (rows > 0) logger.info({ rows }, 'Brought usage rows from the local disk to where they belong');
      if ((await spool.size()) > 0) hasSpooled = true;
    } catch {
      // Whoever does not answer yet has said so in the log by other means.
      hasSpooled = true;
    }
  };
  const startReplay = () => {
    replaying ??= replay().finally(() => (replaying = undefined));
  };
  const replayTimer = setInterval(startReplay, replayEveryMs).unref();
  startReplay();

  let pendingRows = 0;
  const gather = gatherWrites<readonly LedgerRow[]>({
    most: maxBatch,
    waitMs: () => (gate.isDown() ? gatherMs.down : gatherMs.up),
    write: (given) => persist(given.flat()),
  });

  return {
    recordNow,
    setAside,
    pendingRows: () => pendingRows,
    async close() {
      clearInterval(replayTimer);
      await replaying;
    },
    async record(rows) {
      if (rows.length === 0) return;
      pendingRows += rows.length;
      await gather(rows).finally(() => (pendingRows -= rows.length));
    },
  };
}
