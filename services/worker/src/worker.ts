import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { Database } from '@aimm/database';
import { version } from '@aimm/local-stack';
import {
  type Consumer,
  connectFront,
  connectWorker,
  createAdmission,
  createBatchJobs,
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
import { createAssertionChecks } from '@aimm/batch';
import { createUuid } from '@aimm/runtime/uuid';
import { createAdmissionNeeds } from './admission-need.ts';
import { balancePools } from './balance-pools.ts';
import { createBatchBudgets } from './batch/batch-budgets.ts';
import { createBatchFeeder } from './batch/batch-feeder.ts';
import { createBatchRecorder } from './batch/batch-recorder.ts';
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
import { createProviderBatchKeeper } from './provider-batches/keeper.ts';
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
  /** After the providers were configured anew. */
  announce(): Promise<void>;
  /** After the catalog changed: new limits hold from the next job on, new providers are served, removed ones are left. */
  reconfigure(): Promise<void>;
  /** Stops taking jobs, finishes within `graceMs`, hands back the rest. */
  close(graceMs: number): Promise<void>;
}

/** Consumes every queue that this worker serves. Waits for Redis as long as it takes. */
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
  const batchNews = createBatchNews(redis, logger);
  const batches = createBatchRecorder({ database, producer, requests, news: batchNews, now: clock.now, logger });
  const settlement = createSettlement(redis, producer);
  const unsettled = createUnsettledJobs(redis);
  const isDemo = () => providers.isDemo();
  const settlePoisoned = createPoisonSettler({
    redis,
    unsettled,
    ledger,
    batches,
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
  await consumeAll(consumer, providers);

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

  // What is sent for batches fails at once where Redis is away: sent late, it could be made twice.
  const quick = connectFront(redisUrl, logger);
  const quickProducer = createProducer({ redis: quick, logger });
  const feeder = createBatchFeeder({
    database,
    catalog,
    producer: quickProducer,
    jobs: createBatchJobs(quick),
    news: createBatchNews(redis, logger),
    budgets: createBudgets(quick),
    recorder: batches,
    now: clock.now,
    logger,
  });

  const budgets = createBatchBudgets({ budgets: createBudgets(quick), catalog, database, now: clock.now });
  const uuid = createUuid();
  const keeper = createProviderBatchKeeper({
    database,
    providers,
    catalog,
    tokens,
    ledger,
    budgets,
    checks: createAssertionChecks(),
    owner: id,
    createRequestId: () => `gen_${uuid()}`,
    createSubmissionId: () => uuid().replaceAll('-', ''),
    onCall: (row) => metrics.calls.ended(row),
    onRecorded: (batchId) => void batchNews.tell(batchId, 'results'),
    now: clock.now,
    pace: {
      firstPollMs: options.firstPollMs,
      longestPollMs: slowestPoll * options.firstPollMs,
      tickMs: Math.min(5_000, options.firstPollMs),
    },
    logger,
  });
  keeper.start();

  return {
    now: clock.now,
    announce: () => presence.announce(),
    async reconfigure() {
      // Fronts and the other workers see what is served before anything waits, or ends, on account of it.
      await presence.announce();
      await departed.look();
      await consumeAll(consumer, providers);
      await consumer.wake();
    },
    async close(graceMs) {
      const others = async () => {
        await presence.close();
        // What waits elsewhere is no more of its business.
        pools.close();
        await keeper.close();
        await feeder.close();
        await contentRemover?.close();
        departed.close();
        await reconciler.close();
      };
      // Nothing is taken from here on, however long the others take: a step on a vendor's batch is an upload.
      await Promise.all([consumer.close(graceMs), others()]);
      await ledger.close();
      await metrics.close();
      await producer.close();
      await quickProducer.close();
      quick.disconnect();
      cooldowns.close();
      clock.close();
      redis.disconnect();
    },
  };
}

/** Batches at vendors are asked after ever more rarely, up to so many times the first time. */
const slowestPoll = 20;
/** Questions about a provider are answered at once, beside its limits. */
const checksAtOnce = 4;
/** Joining a comparison takes milliseconds; waiting for its models takes no slot. */
const comparisonsAtOnce = 16;
/** Rows for the ledger and turns are all that is known of a paid call: what takes a worker down is something else. */
const neverGivenUp = 1_000_000;

async function consumeAll(consumer: Consumer, providers: ProviderSet): Promise<void> {
  await Promise.all([
    ...providers.configs().flatMap(({ id, kind, concurrency, requestsPerMinute }) => [
      consumer.consume({
        name: queueOf('generate', id),
        concurrency,
        globalConcurrency: concurrency,
        sameModelFirst: kind === 'ollama',
        ...(requestsPerMinute !== undefined && { requestsPerMinute }),
      }),
      consumer.consume({ name: queueOf('check-health', id), concurrency: checksAtOnce }),
    ]),
    consumer.consume({ name: queueOf('compare'), concurrency: comparisonsAtOnce }),
    // The global limit is what makes a pause of this queue hold all workers.
    consumer.consume({
      name: queueOf('persist-usage'),
      concurrency: 1,
      globalConcurrency: 4,
      maxStalledCount: neverGivenUp,
    }),
    ...(['persist-turn', 'persist-batch'] as const).map((name) =>
      consumer.consume({
        name: queueOf(name),
        concurrency: name === 'persist-batch' ? 8 : 1,
        globalConcurrency: name === 'persist-batch' ? 16 : 4,
        maxStalledCount: neverGivenUp,
      }),
    ),
  ]);
}
