import { createLiveCatalog, followConfig, loadCatalog } from '@aimm/catalog';
import { everyClient, ModelManagerError, toModelManagerError } from '@aimm/contracts';
import { createDatabaseOnDemand } from '@aimm/database';
import { openFrontQueue } from '@aimm/queue';
import { type Logger, type RawEnvironment, requireNoFaults } from '@aimm/runtime';
import { createUuid } from '@aimm/runtime/uuid';
import { readBatchPaces } from './batch/batch-pace.ts';
import {
  addBatchModels,
  cancelBatch,
  deleteBatch,
  pauseBatch,
  resumeBatch,
  retryBatch,
} from './batch/control-batch.ts';
import { listBatches, listBatchGenerations, readBatch, readBatchResults } from './batch/read-batch.ts';
import { startBatch } from './batch/start-batch.ts';
import { createCachedRows } from './cached-rows.ts';
import { compare } from './compare.ts';
import { completeModel } from './complete-model.ts';
import { getPreferences, setPreference } from './edit-preferences.ts';
import { estimateRequest } from './estimate-request.ts';
import { deleteConversation, getConversation, listConversations } from './conversations.ts';
import { generate } from './generate.ts';
import { checkHealth } from './health.ts';
import { createIdentify } from './identify.ts';
import { cancelJob, getJob } from './jobs.ts';
import { createKnownPreferences } from './known-preferences.ts';
import { listJobs } from './list-jobs.ts';
import { getModelInfo, listModels } from './list-models.ts';
import type { Manager } from './manager.ts';
import { createModelSpeeds } from './model-speed.ts';
import { createModelListing } from './model-listing.ts';
import { createProviderDirectory } from './provider-directory.ts';
import type { Resources } from './resources.ts';

export interface ManagerOptions {
  redisUrl: string;
  databaseUrl: string;
  configDir?: string | undefined;
  /** Read for the providers' limits and endpoints, and for STORE_CONTENT; a front needs no key. */
  raw: RawEnvironment;
  logger: Logger;
  /** SIGHUP reads the configuration anew, as does a change of its files. */
  reloadsOnSignal?: boolean;
  now?: () => number;
  uuid?: () => string;
}

/**
 * Wires the use cases to Redis, the database and the catalog. Waits for none of them: what is down is told by the
 * method that needs it, and used again once it is back.
 * @throws ConfigError when config/*.json or the environment's overrides are at fault
 */
export function createManager(options: ManagerOptions): Promise<Manager> {
  const { redisUrl, databaseUrl, configDir, logger, uuid = createUuid() } = options;
  let { raw } = options;
  const load = () => loadCatalog({ configDir, env: raw });
  const { catalog: first, faults } = load();
  requireNoFaults(faults);
  const { catalog, replace } = createLiveCatalog(first);
  const config = followConfig({
    configDir,
    obeysSignal: options.reloadsOnSignal === true,
    load,
    onChange(next) {
      replace(next);
      logger.info('The configuration was read anew and is in force');
    },
    onFaults: (found) => logger.error({ faults: found }, 'The configuration has faults; the one before stays in force'),
    onUnwatched: (error) => logger.warn({ reason: error.message }, 'The configuration is not watched'),
  });
  const listed = () => catalog.providers.map(({ id }) => id);
  const queue = openFrontQueue({ redisUrl, frontId: uuid(), providers: listed, logger });
  const { now = queue.clock.now } = options;
  const database = createDatabaseOnDemand({ url: databaseUrl, logger, now });
  const cachedRows = createCachedRows({ database, producer: queue.producer, logger });
  const providers = createProviderDirectory(catalog, queue, now);
  const listing = createModelListing({ catalog, queue, providers, now, uuid });
  const speeds = createModelSpeeds(database, now);
  const preferences = createKnownPreferences({ catalog, database, news: queue.preferenceNews, logger, now });
  const choices = createCounter();
  const identify = createIdentify({ database, changes: queue.tokenChanges, logger, now });
  const databaseKind = databaseUrl.startsWith('file:') ? 'sqlite' : 'postgresql';
  const resources: Resources = {
    catalog,
    queue,
    database,
    databaseKind,
    get storesContent() {
      return raw['STORE_CONTENT'] !== 'off';
    },
    cachedRows,
    speeds,
    preferences,
    choices,
    batchPaces: new Map(),
    providers,
    listing,
    logger,
    now,
    uuid,
  };

  return Promise.resolve({
    generate: (caller, ask, asked) => ours(() => generate(resources, caller, ask, asked)),
    compare: (caller, ask, asked) => ours(() => compare(resources, caller, ask, asked)),
    getJob: (caller, id, asked) => ours(() => getJob(resources, caller, id, asked)),
    cancelJob: (caller, id) => ours(() => cancelJob(resources, caller, id)),
    startBatch: (caller, ask, asked) => ours(() => startBatch(resources, caller, ask, asked)),
    getBatch: (caller, id) => ours(() => readBatch(resources, caller, id)),
    getBatchPaces: (caller, view) => ours(() => readBatchPaces(resources, caller, view)),
    listBatches: (caller, query) => ours(() => listBatches(resources, caller, query)),
    listBatchGenerations: (caller, id, query) => ours(() => listBatchGenerations(resources, caller, id, query)),
    batchResults: (caller, id) => oursOf(readBatchResults(resources, caller, id)),
    pauseBatch: (caller, id) => ours(() => pauseBatch(resources, caller, id)),
    resumeBatch: (caller, id, change) => ours(() => resumeBatch(resources, caller, id, change)),
    cancelBatch: (caller, id) => ours(() => cancelBatch(resources, caller, id)),
    deleteBatch: (caller, id) => ours(() => deleteBatch(resources, caller, id)),
    retryBatch: (caller, id) => ours(() => retryBatch(resources, caller, id)),
    addBatchModels: (caller, id, ask, asked) => ours(() => addBatchModels(resources, caller, id, ask, asked)),
    listJobs: (caller, query) => ours(() => listJobs(resources, caller, query)),
    estimateCost: (caller, ask) => ours(() => estimateRequest(resources, caller, ask)),
    getPreferences: (caller, owner) => ours(() => getPreferences(resources, caller, owner)),
    setPreference: (caller, edit) => ours(() => setPreference(resources, caller, edit)),
    completeModel: (caller, begun) => ours(() => completeModel(resources, caller, begun)),
    listModels: (query) => ours(() => listModels(resources, query)),
    getModelInfo: (caller, name) => ours(() => getModelInfo(resources, caller, name)),
    usage: (caller, query) =>
      ours(async () => {
        // Not its own figures under another's name.
        if (!caller.admin && query.client !== undefined && query.client !== caller.client) {
          throw new ModelManagerError('permission', 'Only an admin sees what others have used.', {
            hint: 'Leave client out: what is counted is your own then.',
          });
        }
        const { ledger } = await database.get();
        return ledger.summarize({ ...query, ...(!caller.admin && { client: caller.client }) });
      }),
    listConversations: (caller, query) => ours(() => listConversations(resources, caller, query)),
    getConversation: (caller, id, page) => ours(() => getConversation(resources, caller, id, page)),
    deleteConversation: (caller, id) => ours(() => deleteConversation(resources, caller, id)),
    health: (caller, query) => ours(() => checkHealth(resources, caller, query)),
    warmUp: () =>
      database
        .get()
        // Prisma connects at the first question.
        .then((opened) => opened.preferences.list(everyClient))
        .then(
          () => undefined,
          (error: unknown) => logger.debug({ err: error }, 'The database could not be opened ahead of its first use'),
        ),
    listProviders: () => ours(() => providers.list()),
    isCatalogued: (provider, model) => catalog.hasEntry(provider, model),
    identify: (token) => ours(() => identify(token)),
    useEnvironment(next) {
      raw = next;
      config.reload();
    },
    async close() {
      config.close();
      await cachedRows.close();
      await queue.close();
      await database.close();
    },
  });
}

function createCounter(): { next(): number } {
  let count = 0;
  return { next: () => count++ };
}

async function* oursOf<T>(steps: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* steps;
  } catch (error) {
    throw toModelManagerError(error);
  }
}

/** Nothing but ModelManagerError leaves the manager. */
async function ours<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toModelManagerError(error);
  }
}
