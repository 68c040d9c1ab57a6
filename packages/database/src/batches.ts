import type { Logger } from '@aimm/runtime';
import { putBackGenerations, takeGenerations } from './batch-feeding.ts';
import { readGenerations } from './batch-pages.ts';
import { recordGenerations } from './batch-recording.ts';
import type { BatchRepository } from './batch-repository.ts';
import { summarizeBatch } from './batch-summary.ts';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { createBatchPreparing } from './batch-preparing.ts';
import { createBatchReading } from './batch-reading.ts';
import { createBatchRemoving } from './batch-removing.ts';
import { createBatchSteering } from './batch-steering.ts';

/** `now`: epoch milliseconds. */
export function createBatches(
  client: Client,
  dialect: LedgerDialect,
  now: () => number,
  logger?: Logger,
): BatchRepository {
  return {
    ...createBatchPreparing(client, dialect, now),
    ...createBatchReading(client, logger),
    ...createBatchSteering(client, now),
    ...createBatchRemoving(client),
    summarize: (batch, columns) => summarizeBatch(client, batch, columns),
    generations: (batch, columns, query) => readGenerations(client, batch, columns, query),
    take: (batchId, column, options) => takeGenerations(client, dialect, batchId, column, options),
    putBack: (batchId, queued) => putBackGenerations(client, dialect, batchId, queued),
    record: (records) => recordGenerations(client, dialect, records),
  };
}
