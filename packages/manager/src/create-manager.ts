import { loadCatalog } from '@aimm/catalog';
import { toModelManagerError } from '@aimm/contracts';
import { createDatabaseOnDemand } from '@aimm/database';
import { openFrontQueue } from '@aimm/queue';
import { type Logger, type RawEnvironment, requireNoFaults } from '@aimm/runtime';
import { createUuid } from './uuid.ts';
import { compare } from './compare.ts';
import { generate } from './generate.ts';
import { checkHealth } from './health.ts';
import { cancelJob, getJob } from './jobs.ts';
import { getModelInfo, listModels } from './list-models.ts';
import type { Manager } from './manager.ts';
import { createModelListing } from './model-listing.ts';
import { createProviderDirectory } from './provider-directory.ts';
import type { Resources } from './resources.ts';

export interface ManagerOptions {
  redisUrl: string;
  databaseUrl: string;
  configDir?: string | undefined;
  /** Read for the providers' limits and endpoints; a front needs no key. */
  raw: RawEnvironment;
  logger: Logger;
  now?: () => number;
  uuid?: () => string;
}

/**
 * Wires the use cases to Redis, the database and the catalog. Waits for none of them: what is down is told by the
 * method that needs it, and used again once it is back.
 * @throws ConfigError when config/*.json or the environment's overrides are at fault
 */
export function createManager(options: ManagerOptions): Promise<Manager> {
  const { redisUrl, databaseUrl, configDir, raw, logger, now = Date.now, uuid = createUuid() } = options;
  const { catalog, faults } = loadCatalog({ configDir, env: raw });
  requireNoFaults(faults);
  const queue = openFrontQueue({ redisUrl, frontId: uuid(), providers: catalog.providers.map(({ id }) => id), logger });
  const database = createDatabaseOnDemand({ url: databaseUrl, logger });
  const providers = createProviderDirectory(catalog, queue, now);
  const listing = createModelListing({ catalog, queue, providers, now, uuid });
  const databaseKind = databaseUrl.startsWith('file:') ? 'sqlite' : 'postgresql';
  const resources: Resources = { catalog, queue, database, databaseKind, providers, listing, logger, now, uuid };

  return Promise.resolve({
    generate: (caller, ask, asked) => ours(() => generate(resources, caller, ask, asked)),
    compare: (caller, ask, asked) => ours(() => compare(resources, caller, ask, asked)),
    getJob: (caller, id, asked) => ours(() => getJob(resources, caller, id, asked)),
    cancelJob: (caller, id) => ours(() => cancelJob(resources, caller, id)),
    listModels: (query) => ours(() => listModels(resources, query)),
    getModelInfo: (name) => ours(() => getModelInfo(resources, name)),
    usage: (caller, query) =>
      ours(async () => {
        const { ledger } = await database.get();
        return ledger.summarize({ ...query, ...(!caller.admin && { client: caller.client }) });
      }),
    health: (query) => ours(() => checkHealth(resources, query)),
    listProviders: () => ours(() => providers.list()),
    async close() {
      await queue.close();
      await database.close();
    },
  });
}

/** Nothing but ModelManagerError leaves the manager. */
async function ours<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toModelManagerError(error);
  }
}
