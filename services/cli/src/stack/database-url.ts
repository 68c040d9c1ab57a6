import { toStackPaths } from '@aimm/local-stack';
import type { RuntimeEnvironment } from '@aimm/runtime';

/** The database of a data directory's stack: DATABASE_URL, or the SQLite file there. */
export function toStackDatabaseUrl(
  env: Pick<RuntimeEnvironment, 'dataDir'> & { DATABASE_URL?: string | undefined },
): string {
  return env.DATABASE_URL ?? `file:${toStackPaths(env.dataDir).databaseFile}`;
}
