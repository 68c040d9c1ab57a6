import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { MigrationLock } from './apply-migrations.ts';
import { createPoolConfig } from './postgres-connection.ts';

/** Names of the migrations that the database has; none where it is empty. */
export async function findFinishedMigrations(url: string): Promise<string[]> {
  const client = new pg.Client(createPoolConfig(url));
  // Without a listener a connection lost between two queries ends the process; the next query fails anyway.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const table = await client.query<{ name: string | null }>("SELECT to_regclass('_prisma_migrations') AS name");
    if (table.rows[0]?.name === null) return [];
    const finished = await client.query<{ migration_name: string }>(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    );
    return finished.rows.map((row) => row.migration_name);
  } finally {
    await client.end();
  }
}

const statement = (sql: string) => ({ sql, args: [], argTypes: [] });

/** The engine's advisory lock belongs to a session; this one, of the same number, ends with the transaction. */
const lock: MigrationLock = {
  isAskedFor: (query) => query.sql.startsWith('SELECT pg_advisory_lock'),
  begin: async (adapter) => {
    await adapter.executeScript('BEGIN');
    await adapter.queryRaw(statement('SELECT CAST(pg_advisory_xact_lock(72707369) AS text)'));
  },
};

export async function applyPostgresMigrations(url: string): Promise<string[]> {
  const { applyMigrations } = await import('./apply-migrations.ts');
  // One connection that stays: the transaction is on it.
  const factory = new PrismaPg({ ...createPoolConfig(url), max: 1, idleTimeoutMillis: 0 });
  return applyMigrations('postgresql', factory, lock);
}
