import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createLiveCatalog,
  createTokenEstimator,
  findUnknownProviders,
  followConfig,
  loadCatalog,
} from '@aimm/catalog';
import { createDatabaseOnDemand } from '@aimm/database';
import { leaveWithParent, onProviderEnvironment, reportKey, reportReady, reportStoredKeys } from '@aimm/local-stack';
import type { ProxySettings } from '@aimm/providers';
import {
  ConfigError,
  createLogger,
  createShutdown,
  exitOnUncaught,
  findMasterKeys,
  loadEnvironment,
  masterKeyFile,
  type RawEnvironment,
  requireNoFaults,
  type RuntimeEnvironment,
  secretsOf,
} from '@aimm/runtime';
import { noteKeyChanges } from './note-key-changes.ts';
import { createProviderSet } from './provider-set.ts';
import { requireEndpoints } from './require-endpoints.ts';
import { followStoredKeys } from './stored-keys.ts';
import { createBatchRetention } from './batch/batch-retention.ts';
import { createUsageKeeper } from './usage-keeper.ts';
import { startWorker, type WorkerProcess } from './worker.ts';

/** Calls under way when the worker is told to leave may take this long; then they are handed back. */
const finishWithinMs = 20_000;

/** A database that is slower than this is not waited for: keys that are stored in it come into use later. */
const storedKeysPatienceMs = 1_500;

async function main(): Promise<void> {
  const { env, raw, faults } = loadEnvironment();
  const { configDir } = env;
  const { faults: catalogFaults } = loadCatalog({ configDir, env: raw });
  // Endpoints come and go with the providers' environment: today's, which may be a demo's, must not stay as the default.
  const { catalog: first } = loadCatalog({ configDir, env: withoutEndpoints(raw) });
  const { catalog, replace } = createLiveCatalog(first);
  const { endpoints, faults: endpointFaults } = requireEndpoints(env, raw);
  requireNoFaults(faults, catalogFaults, findUnknownProviders(catalog, env.WORKER_PROVIDERS), endpointFaults);

  const masterKeys = new Set<string>();
  let keysInUse = (): readonly string[] => [];
  const logger = await createLogger({
    name: 'worker',
    level: env.LOG_LEVEL,
    format: env.LOG_FORMAT,
    secrets: () => [...secretsOf(raw), ...masterKeys, ...keysInUse()],
    citesErrors: env.STORE_CONTENT === 'on',
  });
  exitOnUncaught(logger);
  const shutdown = createShutdown({ logger, graceMs: finishWithinMs + 10_000 });
  leaveWithParent(shutdown);

  let worker: WorkerProcess | undefined;
  // Who has what until when stands in the database: by the clock of all workers, not by this machine's, which may be wrong.
  const now = () => worker?.now() ?? Date.now();
  const database = createDatabaseOnDemand({ url: endpoints.databaseUrl, logger, now });
  shutdown.add('database', () => database.close());
  // Opened now, so that the first result does not wait for it; a database that is down now is tried again when it is needed.
  void database.get().catch((error: Error) => logger.warn({ reason: error.message }, 'The database is not there yet'));

  const providers = createProviderSet({
    catalog,
    served: env.WORKER_PROVIDERS,
    environment: raw,
    proxy: findProxy(env),
    onKeyChange: noteKeyChanges(() => database.get(), logger, reportKey),
  });
  keysInUse = () => providers.secrets();
  const tokens = createTokenEstimator();
  const loadProviders = () =>
    providers.warmUp().catch((error: unknown) => logger.warn({ err: error }, 'Loading a provider failed'));
  let environmentNow: RawEnvironment = raw;
  onProviderEnvironment((environment) => {
    environmentNow = { ...raw, ...environment };
    providers.configure(environmentNow);
    if (worker !== undefined) void announce(worker);
  });
  // The supervisor hears of it when fronts can see it; loading what the providers need blocks, so it comes after.
  const announce = async (running: WorkerProcess) => {
    try {
      await running.announce();
      reportReady();
    } catch (error) {
      logger.warn({ err: error }, 'Could not announce the new providers');
    }
    void loadProviders();
  };
  const storedKeys = followStoredKeys({
    database: () => database.get(),
    masterKeys() {
      const found = findMasterKeys(env);
      for (const masterKey of found) masterKeys.add(masterKey);
      return found;
    },
    onceRotated:
      env.AIMM_MASTER_KEY === undefined
        ? `put the new master key into ${masterKeyFile(env)}`
        : 'set AIMM_MASTER_KEY to the new master key and restart this worker, or its stack',
    masterKeyPlace: `set AIMM_MASTER_KEY, or put back ${masterKeyFile(env)}`,
    onChange(keys) {
      const before = JSON.stringify(providers.describe());
      providers.setStored(keys);
      reportStoredKeys([...new Set(keys.map(({ provider }) => provider))]);
      if (worker !== undefined && JSON.stringify(providers.describe()) !== before) void announce(worker);
    },
    logger,
  });
  shutdown.add('stored keys', () => storedKeys.close());
  const firstRead = storedKeys.refresh().catch(() => undefined); // Told with the database's opening.
  if (!providers.isDemo()) await Promise.race([firstRead, delay(storedKeysPatienceMs)]);

  worker = await startWorker({
    redisUrl: endpoints.redisUrl,
    catalog,
    providers,
    tokens,
    database: () => database.get(),
    firstPollMs: env.AIMM_BATCH_POLL_SECONDS * 1_000,
    lockMs: env.AIMM_LOCK_SECONDS * 1_000,
    spoolDirs: [join(env.dataDir, 'spool'), join(tmpdir(), `ai-model-manager-${process.getuid?.() ?? 0}`, 'spool')],
    contentKeepMs: env.STORE_CONTENT === 'off' ? env.CONTENT_DELIVERY_SECONDS * 1_000 : undefined,
    logger,
  });
  const usage = createUsageKeeper({
    database: () => database.get(),
    retentionDays: env.USAGE_RETENTION_DAYS,
    logger,
    now,
  });
  shutdown.add('usage', () => usage.close());
  if (env.BATCH_RETENTION_DAYS !== undefined) {
    const { BATCH_RETENTION_DAYS: retentionDays } = env;
    const retention = createBatchRetention({ database: () => database.get(), retentionDays, logger, now });
    shutdown.add('batches', () => retention.close());
  }
  const config = followConfig({
    configDir,
    obeysSignal: true,
    load: () => ({
      catalog: loadCatalog({ configDir, env: withoutEndpoints(raw) }).catalog,
      faults: loadCatalog({ configDir, env: raw }).faults,
    }),
    onChange(next) {
      replace(next);
      providers.configure(environmentNow);
      void worker
        ?.reconfigure()
        .then(() => logger.info('The configuration was read anew and is in force'))
        .catch((error: unknown) => logger.error({ err: error }, 'The new configuration could not be put in force'));
    },
    onFaults: (found) => logger.error({ faults: found }, 'The configuration has faults; the one before stays in force'),
    onUnwatched: (error) => logger.warn({ reason: error.message }, 'The configuration is read anew on SIGHUP only'),
  });
  shutdown.add('configuration', () => config.close());
  // The first to be closed: it takes no more work.
  shutdown.add('worker', () => worker?.close(finishWithinMs));
  logger.info({ providers: providers.describe() }, 'Worker ready');
  reportReady();
  await loadProviders();
  await worker.serve();
  await tokens.load().catch((error: unknown) => logger.warn({ err: error }, 'Loading the tokenizer failed'));
}

function findProxy(env: RuntimeEnvironment): ProxySettings | undefined {
  if (env.HTTP_PROXY === undefined && env.HTTPS_PROXY === undefined) return undefined;
  return { http: env.HTTP_PROXY, https: env.HTTPS_PROXY, noProxy: env.NO_PROXY };
}

function withoutEndpoints(raw: RawEnvironment): RawEnvironment {
  return Object.fromEntries(Object.entries(raw).filter(([name]) => !name.endsWith('_BASE_URL')));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof ConfigError ? error.message : (error as Error).stack}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
