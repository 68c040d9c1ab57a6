import { existsSync } from 'node:fs';
import { parseDatabaseKind, toSqlitePath } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { retryWhileBusy } from './retry-busy.ts';

/**
 * The first column of a query that both databases understand, without Prisma and without a migration. Nothing where there
 * is no database yet, or one of a version without that table. @throws ModelManagerError `unavailable`
 */
export async function askPlainly(url: string, table: string, query: string): Promise<string[]> {
  const kind = parseDatabaseKind(url);
  return guardDatabase(kind, () =>
    kind === 'sqlite' ? askSqlite(toSqlitePath(url), table, query) : askPostgres(url, table, query),
  );
}

async function askSqlite(path: string, table: string, query: string): Promise<string[]> {
  if (!existsSync(path)) return [];
  const { default: Sqlite } = await import('better-sqlite3');
  return retryWhileBusy(async () => {
    // The waiting is ours.
    const file = new Sqlite(path, { timeout: 0 });
    try {
      if (file.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table) === undefined) return [];
      return file.prepare<[], string>(query).pluck().all();
    } finally {
      file.close();
    }
  });
}

async function askPostgres(url: string, table: string, query: string): Promise<string[]> {
  const [{ default: pg }, { createPoolConfig }] = await Promise.all([import('pg'), import('./postgres-connection.ts')]);
  const client = new pg.Client(createPoolConfig(url));
  client.on('error', () => undefined);
  await client.connect();
  try {
    const found = await client.query<{ name: string | null }>('SELECT to_regclass($1) AS name', [table]);
    if (found.rows[0]?.name === null) return [];
    const { rows } = await client.query<[string]>({ text: query, rowMode: 'array' });
    return rows.map(([value]) => value);
  } finally {
    await client.end();
  }
}
