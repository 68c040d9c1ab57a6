import { existsSync } from 'node:fs';
import { parseDatabaseKind, toSqlitePath } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { retryWhileBusy } from './retry-busy.ts';

const query = 'SELECT DISTINCT provider FROM api_keys ORDER BY provider';

/**
 * The providers that have a key in the database, asked without Prisma and without a migration: for a process that only
 * wants to know that. None where there is no database yet, or one of an earlier version.
 * @throws ModelManagerError `unavailable`
 */
export async function findKeyedProviders(url: string): Promise<string[]> {
  const kind = parseDatabaseKind(url);
  return guardDatabase(kind, () => (kind === 'sqlite' ? findInSqlite(toSqlitePath(url)) : findInPostgres(url)));
}

async function findInSqlite(path: string): Promise<string[]> {
  if (!existsSync(path)) return [];
  const { default: Sqlite } = await import('better-sqlite3');
  return retryWhileBusy(async () => {
    // The waiting is ours.
    const file = new Sqlite(path, { timeout: 0 });
    try {
      if (file.prepare("SELECT 1 FROM sqlite_master WHERE name = 'api_keys'").get() === undefined) return [];
      return file.prepare<[], string>(query).pluck().all();
    } finally {
      file.close();
    }
  });
}

async function findInPostgres(url: string): Promise<string[]> {
  const [{ default: pg }, { createPoolConfig }] = await Promise.all([import('pg'), import('./postgres-connection.ts')]);
  const client = new pg.Client(createPoolConfig(url));
  client.on('error', () => undefined);
  await client.connect();
  try {
    const table = await client.query<{ name: string | null }>("SELECT to_regclass('api_keys') AS name");
    if (table.rows[0]?.name === null) return [];
    return (await client.query<{ provider: string }>(query)).rows.map((row) => row.provider);
  } finally {
    await client.end();
  }
}
