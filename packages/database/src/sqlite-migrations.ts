import { existsSync } from 'node:fs';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import Sqlite from 'better-sqlite3';
import type { MigrationLock } from './apply-migrations.ts';
import { toSqlitePath } from './database-url.ts';
import { retryWhileBusy } from './retry-busy.ts';
import { busyTimeoutMs } from './sqlite-adapter.ts';

/** Names of the migrations that the file has; none where there is no file yet. */
export async function findFinishedMigrations(url: string): Promise<string[]> {
  const path = toSqlitePath(url);
  if (!existsSync(path)) return [];
  return retryWhileBusy(async () => {
    const file = new Sqlite(path, { timeout: busyTimeoutMs });
    try {
      const table = file.prepare("SELECT 1 FROM sqlite_master WHERE name = '_prisma_migrations'").get();
      if (table === undefined) return [];
      const finished = file.prepare<[], string>(
        'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
      );
      return finished.pluck().all();
    } finally {
      file.close();
    }
  });
}

/**
 * The engine's own lock is the exclusive locking mode, which SQLite refuses for as long as any other process has the file
 * open. A transaction excludes other writers as well, and waits for them.
 */
const lock: MigrationLock = {
  isAskedFor: (query) => /^PRAGMA main\.locking_mode/i.test(query.sql),
  begin: (adapter) =>
    retryWhileBusy(async () => {
      // Foreign keys off, which a transaction cannot do: rebuilding a table must not delete the rows that refer to it.
      await adapter.executeScript('PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE');
    }),
};

export async function applySqliteMigrations(url: string): Promise<string[]> {
  const { applyMigrations } = await import('./apply-migrations.ts');
  const factory = new PrismaBetterSqlite3({ url: toSqlitePath(url), timeout: busyTimeoutMs });
  return applyMigrations('sqlite', factory, lock);
}
