import type { Catalog } from '@aimm/catalog';
import type { Database } from '@aimm/database';
import { createMetricSums, type Producer, type Redis, type WorkerPresence } from '@aimm/queue';
import { createTally, type Tally } from '@aimm/runtime';
import { type CallMetrics, createCallMetrics } from './call-metrics.ts';
import type { ReconciledCounts } from './reconciler.ts';
import type { UsageSpool } from './usage-spool.ts';

/** What a worker counts. */
export interface WorkerMetrics {
  readonly tally: Tally;
  readonly calls: CallMetrics;
  /** The same database; rows that it took and rows that it did not take are counted. */
  watchDatabase(database: () => Promise<Database>): () => Promise<Database>;
  /** The same; rows that wait for the database are counted. */
  watchProducer(producer: Pick<Producer, 'addUsage'>): Pick<Producer, 'addUsage'>;
  /** The same; rows that went to the local disk are counted. */
  watchSpool(spool: UsageSpool): UsageSpool;
  /** After each round of the reconciler. */
  reconciled(counts: ReconciledCounts): void;
  /** For the worker's presence: how its process and its disk fare. */
  describe(): Pick<WorkerPresence, 'process' | 'spoolBytes'>;
  close(): Promise<void>;
}

export function createWorkerMetrics({ redis, catalog }: { redis: Redis; catalog: Catalog }): WorkerMetrics {
  const tally = createTally();
  const sums = createMetricSums(redis, tally);
  const count = (result: 'written' | 'queued' | 'spooled' | 'refused', rows: number) =>
    tally.count('ledgerRows', { result }, rows);
  let spoolBytes: number | undefined;

  return {
    tally,
    calls: createCallMetrics(tally, catalog),
    watchDatabase: (open) => async () => {
      const database = await open();
      const { ledger } = database;
      const record: typeof ledger.record = async (rows) => {
        try {
          const written = await ledger.record(rows);
          count('written', written);
          return written;
        } catch (error) {
          count('refused', rows.length);
          throw error;
        }
      };
      return { ...database, ledger: { ...ledger, record } };
    },
    watchProducer: (producer) => ({
      async addUsage(rows) {
        await producer.addUsage(rows);
        count('queued', rows.length);
      },
    }),
    watchSpool(spool) {
      const size = async () => (spoolBytes = await spool.size());
      // A process before this one may have left something there.
      void size().catch(() => undefined);
      return {
        ...spool,
        size,
        async append(rows) {
          await spool.append(rows);
          count('spooled', rows.length);
          await size();
        },
      };
    },
    reconciled(counts) {
      for (const [kind, found] of Object.entries(counts)) tally.count('reconciled', { kind }, found);
    },
    describe() {
      const { rss, heapUsed } = process.memoryUsage();
      return {
        process: { residentBytes: rss, heapUsedBytes: heapUsed },
        ...(spoolBytes !== undefined && { spoolBytes }),
      };
    },
    close: () => sums.close(),
  };
}
