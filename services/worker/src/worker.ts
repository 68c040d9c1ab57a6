import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createAssertionChecks } from '@aimm/batch';
import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { Database } from '@aimm/database';
import { version } from '@aimm/local-stack';
import {
  connectWorker,
  createAdmission,
  createBatchNews,
  createBudgets,
  createConsumer,
  createContentRemover,
  createCooldowns,
  createKeyLeases,
  createPresence,
  createProducer,
  createRequests,
  createSettlement,
  createSharedClock,
  createUnsettledJobs,
  type Handlers,
  queueOf,
  requireRedisVersion,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createAdmissionNeeds } from './admission-need.ts';
import { balancePools } from './balance-pools.ts';
import { createBatchRecorder } from './batch/batch-recorder.ts';
import { startBatchWork } from './batch/start-batch-work.ts';
import { consumeOwnQueues, consumeProviderQueues } from './consume-queues.ts';
import { toCooldownRules } from './cooldown-rules.ts';
import { createDepartedProviders } from './departed-providers.ts';
import { createCheckHealth } from './handlers/check-health.ts';
import { compare } from './handlers/compare.ts';
import { createGenerate } from './handlers/generate.ts';
import { createListModels } from './handlers/list-models.ts';
import { createPersistBatch } from './handlers/persist-batch.ts';
import { createPersistTurn } from './handlers/persist-turn.ts';
import { createPersistUsage } from './handlers/persist-usage.ts';
import { createLedgerWriter } from './ledger-writer.ts';
import { createPaceKeeper } from './pace-keeper.ts';
import { createPoisonSettler } from './poison-settler.ts';
import type { ProviderSet } from './provider-set.ts';
import { createReconciler } from './reconciler.ts';
import { createUsageSpool } from './usage-spool.ts';
import { createWorkerMetrics } from './worker-metrics.ts';
import { createTurnWriter } from './turn-writer.ts';

export interface WorkerOptions {
  redisUrl: string;
  catalog: Catalog;
  providers: ProviderSet;
  tokens: TokenEstimator;
  database: () => Promise<Database>;
  logger: Logger;
  /** After how long a batch at a vendor is asked after first. */
  firstPollMs: number;
  /** How long a worker that went silent keeps its jobs. */
  lockMs: number;
  /** Where usage rows go that neither the database nor Redis takes; the first that can be written to. */
  spoolDirs: readonly string[];
  /** Absent: prompts and answers stay as long as their jobs. Else so long after a request's end. */
  contentKeepMs?: number | undefined;
}

export interface WorkerProcess {
  /** Epoch milliseconds by Redis' clock. */
  now(): number;
  /** Takes the providers' jobs from now on. Once their SDKs are loaded: that blocks, and a call beside it could lose its lock. */
  serve(): Promise<void>;
  /** After the providers were configured anew. */
  announce(): Promise<void>;
  /** After the catalog changed: new limits hold from the next job on, new providers are served, removed ones are left. */
  reconfigure(): Promise<void>;
  /** Stops taking jobs, finishes within `graceMs`, hands back the rest. */
  close(graceMs: number): Promise<void>;
}

/** Makes ready for every queue that this worker serves, and consumes those that need no provider. Waits for Redis as long as it takes. */
export async function startWorker(options: WorkerOptions): Promise<WorkerProcess> {
  const { redisUrl, catalog, providers, tokens, database, logger, contentKeepMs } = options;
  const redis = connectWorker(redisUrl, logger);
  const clock = createSharedClock(redis, logger);
  const producer = createProducer({ redis, logger });
  const metrics = createWorkerMetrics({ redis, catalog });
  const ledger = createLedgerWriter({
    database: metrics.watchDatabase(database),
    producer: metrics.watchProducer(producer),
    spool: metrics.watchSpool(createUsageSpool({ dirs: options.spoolDirs, logger })),
    logger,
  });
  const turns = createTurnWriter({ database, producer, logger });
  const requests = createRequests(redis);
  const checks = createAssertionChecks();
  const batches = createBatchRecorder({
    database,
    producer,
    requests,
    news: createBatchNews(redis, logger),
    checks,
    now: clock.now,
    logger,
  });
  const settlement = createSettlement(redis, producer);
  const unsettled = createUnsettledJobs(redis);
  const isDemo = () => providers.isDemo();
  const settlePoisoned = createPoisonSettler({
    redis,
    unsettled,
    ledger,
    batches,
    producer,
    requests,
    settlement,
    isDemo,
    keepMs: contentKeepMs,
    onHidden: (row) => metrics.calls.ended(row),
    logger,
  });
  const cooldowns = createCooldowns({ redis, rules: toCooldownRules(catalog), now: clock.now });
  const needs = createAdmissionNeeds({ catalog, tokens });
  const pace = createPaceKeeper({ admission: createAdmission(redis), logger });
  const pools = balancePools({ redis, producer, catalog, providers, cooldowns, logger });
  const generate = createGenerate({
    providers,
    catalog,
    ledger,
    turns,
    batches,
    producer,
    requests,
    budgets: createBudgets(redis),
    cooldowns,
    needs,
    pace,
    tokens,
    metrics: metrics.calls,
    keyLeases: createKeyLeases(redis),
  });
  const handlers: Handlers = {
    // The place of a call that has ended may be for a job that waits at an equal provider.
    generate: (payload, context) => generate(payload, context).finally(() => pools.freed(payload.provider)),
    compare,
    'list-models': createListModels(providers),
    'check-health': createCheckHealth(providers),
    'persist-usage': createPersistUsage(ledger),
    'persist-turn': createPersistTurn(turns),
    'persist-batch': createPersistBatch(batches),
  };
  const consumer = createConsumer({
    redis,
    handlers,
    settlement,
    logger,
    tally: metrics.tally,
    onPoisoned: settlePoisoned,
    lockMs: options.lockMs,
    now: clock.now,
  });
  await requireRedisVersion(redis);
  await consumeOwnQueues(consumer);

  const id = randomUUID();
  const startedAt = Date.now();
  const presence = createPresence(redis, () => ({
    id,
    host: hostname(),
    pid: process.pid,
    version,
    startedAt,
    ...metrics.describe(),
    skewMs: Math.round(clock.skewMs()),
    providers: providers.describe(),
  }));
  await presence.announce();
  const queuesWithContent = () => [...providers.configs().map(({ id }) => queueOf('generate', id)), queueOf('compare')];
  const contentRemover =
    contentKeepMs === undefined
      ? undefined
      : createContentRemover({ redis, queues: queuesWithContent, keepMs: contentKeepMs, logger });
  const departed = createDepartedProviders({
    redis,
    consumer,
    configured: () => catalog.providers.map(({ id }) => id),
    served: () => providers.configs().map(({ id }) => id),
    logger,
  });
  void departed.look();
  const reconciler = createReconciler({
    unsettled,
    requests,
    queues: queuesWithContent,
    ledger,
    producer,
    settlePoisoned,
    isDemo,
    now: clock.now,
    logger,
    onReconciled: (counts) => metrics.reconciled(counts),
  });

  const batchWork = startBatchWork({
    redisUrl,
    redis,
    catalog,
    providers,
    tokens,
    database,
    ledger,
    recorder: batches,
    checks,
    owner: id,
    firstPollMs: options.firstPollMs,
    onCall: (row) => metrics.calls.ended(row),
    now: clock.now,
    logger,
  });

  return {
    now: clock.now,
    serve: () => consumeProviderQueues(consumer, providers),
    announce: () => presence.announce(),
    async reconfigure() {
      // Fronts and the other workers see what is served before anything waits, or ends, on account of it.
      await presence.announce();
      await departed.look();
      await consumeProviderQueues(consumer, providers);
      await consumer.wake();
    },
    async close(graceMs) {
      const others = async () => {
        await presence.close();
        // What waits elsewhere is no more of its business.
        pools.close();
        await batchWork.close();
        await contentRemover?.close();
        departed.close();
        await reconciler.close();
      };
      // Nothing is taken from here on, however long the others take: a step on a vendor's batch is an upload.
      await Promise.all([consumer.close(graceMs), others()]);
      await ledger.close();
      await metrics.close();
      await producer.close();
      cooldowns.close();
      clock.close();
      redis.disconnect();
    },
  };
}
