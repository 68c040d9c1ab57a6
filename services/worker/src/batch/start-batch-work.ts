import type { AssertionChecks } from '@aimm/batch';
import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { LedgerRow } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import { connectFront, createBatchJobs, createBatchNews, createBudgets, createProducer, type Redis } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createUuid } from '@aimm/runtime/uuid';
import type { LedgerWriter } from '../ledger-writer.ts';
import { createProviderBatchKeeper } from '../provider-batches/keeper.ts';
import type { ProviderSet } from '../provider-set.ts';
import { createBatchBudgets } from './batch-budgets.ts';
import { createBatchFeeder } from './batch-feeder.ts';
import type { BatchRecorder } from './batch-recorder.ts';

export interface BatchWorkOptions {
  redisUrl: string;
  /** The worker's own connection, which waits for Redis. */
  redis: Redis;
  catalog: Catalog;
  providers: ProviderSet;
  tokens: TokenEstimator;
  database: () => Promise<Database>;
  ledger: LedgerWriter;
  recorder: BatchRecorder;
  checks: AssertionChecks;
  /** Names this worker among those that share what stands at vendors. */
  owner: string;
  /** After how long a batch at a vendor is asked after first. */
  firstPollMs: number;
  onCall: (row: LedgerRow) => void;
  /** By the clock of deadlines. */
  now: () => number;
  logger: Logger;
}

/** A vendor is asked after a batch ever more rarely, up to so many times the first pause. */
const slowestPoll = 20;

/** What a worker does for batches beside its queues: feeds them (one worker of all at a time), and follows those at vendors. */
export function startBatchWork(options: BatchWorkOptions): { close(): Promise<void> } {
  const { redisUrl, redis, catalog, providers, tokens, database, ledger, recorder, firstPollMs, now, logger } = options;
  // What is sent for batches fails at once where Redis is away: sent late, it could be made twice.
  const quick = connectFront(redisUrl, logger);
  const producer = createProducer({ redis: quick, logger });
  const budgets = createBudgets(quick);
  const news = createBatchNews(redis, logger);
  const feeder = createBatchFeeder({
    database,
    catalog,
    producer,
    jobs: createBatchJobs(quick),
    news,
    budgets,
    recorder,
    now,
    logger,
  });
  const uuid = createUuid();
  const keeper = createProviderBatchKeeper({
    database,
    providers,
    catalog,
    tokens,
    ledger,
    budgets: createBatchBudgets({ budgets, catalog, database, now }),
    checks: options.checks,
    owner: options.owner,
    createRequestId: () => `gen_${uuid()}`,
    createSubmissionId: () => uuid().replaceAll('-', ''),
    onCall: options.onCall,
    onRecorded: (batchId) => void news.tell(batchId, 'results'),
    now,
    pace: {
      firstPollMs,
      longestPollMs: slowestPoll * firstPollMs,
      tickMs: Math.min(5_000, firstPollMs),
    },
    logger,
  });
  keeper.start();

  return {
    async close() {
      await keeper.close();
      await feeder.close();
      await producer.close();
      quick.disconnect();
    },
  };
}
