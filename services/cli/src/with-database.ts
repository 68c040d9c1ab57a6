import { mkdirSync } from 'node:fs';
import type { Database } from '@aimm/database';
import { findStack } from '@aimm/local-stack';
import type { Logger, RuntimeEnvironment } from '@aimm/runtime';
import { openCommandEnvironment } from './session.ts';
import { toStackDatabaseUrl } from './stack/database-url.ts';

/** Where a command finds things that is about the database alone. */
export interface DatabasePlace {
  env: RuntimeEnvironment;
  logger: Logger;
  /** Absent where neither a stack runs nor REDIS_URL is set. */
  redisUrl: string | undefined;
}

/** The database of the stack that runs, where one does; else of this environment. Closes it, however `work` ends. */
export async function withDatabase<T>(work: (database: Database, place: DatabasePlace) => Promise<T>): Promise<T> {
  const { env, logger } = await openCommandEnvironment();
  const stack = await findStack(env.dataDir);
  await stack?.close();
  const url = stack?.info.databaseUrl ?? toStackDatabaseUrl(env);
  if (url.startsWith('file:')) mkdirSync(env.dataDir, { recursive: true, mode: 0o700 });
  const { createDatabase } = await import('@aimm/database');
  const database = await createDatabase({ url, logger });
  try {
    return await work(database, { env, logger, redisUrl: stack?.info.redisUrl ?? env.REDIS_URL });
  } finally {
    await database.close();
  }
}

/**
 * The database that a command means which moves one: DATABASE_URL says so even where a stack runs on another. `makesFolder`: where
 * the local file may have to be made.
 */
export async function findDatabaseUrl({ makesFolder = false } = {}): Promise<{ url: string; logger: Logger }> {
  const { env, logger } = await openCommandEnvironment();
  const stack = env.DATABASE_URL === undefined ? await findStack(env.dataDir) : undefined;
  await stack?.close();
  const url = stack?.info.databaseUrl ?? toStackDatabaseUrl(env);
  if (makesFolder && env.DATABASE_URL === undefined) mkdirSync(env.dataDir, { recursive: true, mode: 0o700 });
  return { url, logger };
}
