import { mkdirSync } from 'node:fs';
import type { Database } from '@aimm/database';
import type { Logger, RuntimeEnvironment } from '@aimm/runtime';
import { openCommandEnvironment } from './session.ts';
import { withoutPassword } from './commands/status.ts';
import { findPlace } from './stack/find-place.ts';

/** Where a command finds things that is about the database alone. */
export interface DatabasePlace {
  env: RuntimeEnvironment;
  logger: Logger;
  /** Absent where neither REDIS_URL is set nor a stack runs on this database. */
  redisUrl: string | undefined;
}

/** The database that is meant (`findPlace`), which is told on stderr. Closes it, however `work` ends. */
export async function withDatabase<T>(work: (database: Database, place: DatabasePlace) => Promise<T>): Promise<T> {
  const { env, logger } = await openCommandEnvironment();
  const { databaseUrl: url, redisUrl } = await findPlace(env);
  process.stderr.write(`Database: ${withoutPassword(url)}\n`);
  if (url.startsWith('file:')) mkdirSync(env.dataDir, { recursive: true, mode: 0o700 });
  const { createDatabase } = await import('@aimm/database');
  const database = await createDatabase({ url, logger });
  try {
    return await work(database, { env, logger, redisUrl });
  } finally {
    await database.close();
  }
}

/** The same for a command that moves a database. `makesFolder`: where the local file may have to be made. */
export async function findDatabaseUrl({ makesFolder = false } = {}): Promise<{ url: string; logger: Logger }> {
  const { env, logger } = await openCommandEnvironment();
  const { databaseUrl: url } = await findPlace(env);
  if (makesFolder && env.DATABASE_URL === undefined) mkdirSync(env.dataDir, { recursive: true, mode: 0o700 });
  return { url, logger };
}
