import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalog } from '@aimm/catalog';
import { createDatabaseOnDemand, type Database } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { createUuid } from '@aimm/runtime/uuid';
import { onTestFinished } from 'vitest';
import { createKnownPreferences } from '../../src/known-preferences.ts';
import { createProviderDirectory } from '../../src/provider-directory.ts';
import type { Resources } from '../../src/resources.ts';

export interface OpenResources {
  resources: Resources;
  database: Database;
}

/**
 * What use cases that ask nothing of the queue stand on: the shipped catalog, a SQLite file, and workers that say what the test
 * says. `wrap`: the database as the use case has it.
 */
export async function openResources({
  configured = {},
  demo = false,
  wrap = (database) => database,
}: {
  configured?: Record<string, boolean>;
  demo?: boolean;
  wrap?: (database: Database) => Database;
} = {}): Promise<OpenResources> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-manager-'));
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const { catalog } = loadCatalog({ env: {} });
  const opened = createDatabaseOnDemand({ url: `file:${join(dir, 'aimm.db')}` });
  onTestFinished(async () => {
    await opened.close();
    await rm(dir, { recursive: true, force: true });
  });
  const database = { ...opened, get: async () => wrap(await opened.get()) };
  const now = Date.now;
  const providers = Object.entries(configured).map(([id, isConfigured]) => ({
    id,
    configured: isConfigured,
    demo,
  }));
  const workers = async () => (providers.length === 0 ? [] : [{ providers }]);
  const news = { tell: async () => undefined, listen: () => undefined, close: () => undefined };
  const queue = { workers, cooldowns: async () => [], batchNews: news };
  const resources = {
    catalog,
    queue,
    database,
    databaseKind: 'sqlite',
    storesContent: true,
    // What is asked of the workers is all that there is of a queue.
    providers: createProviderDirectory(catalog, queue as never, now),
    listing: {
      known: () => [],
      readSoon: async () => [],
      read: async () => ({ models: [], answered: [], problems: [] }),
    },
    preferences: createKnownPreferences({ catalog, database, news, logger, now }),
    batchPaces: new Map(),
    logger,
    now,
    uuid: createUuid(),
  } as unknown as Resources;
  return { resources, database: await opened.get() };
}
