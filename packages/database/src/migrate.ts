import type { Logger } from '@aimm/runtime';
import { type DatabaseKind, parseDatabaseKind } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { listMigrations } from './schema-files.ts';

/**
 * Applies the migrations that the database lacks, in one process at a time; the names of those that this call applied.
 * A database that has them all is only asked for their names: Prisma's schema engine is not loaded.
 * @throws ModelManagerError `unavailable` when the database cannot be reached
 */
export async function migrateDatabase({
  url,
  logger,
}: {
  url: string;
  logger?: Logger | undefined;
}): Promise<string[]> {
  const kind = parseDatabaseKind(url);
  return guardDatabase(kind, async () => {
    const migrator = await loadMigrator(kind);
    const finished = new Set(await migrator.find(url));
    if (listMigrations(kind).every((name) => finished.has(name))) return [];
    const startedAt = performance.now();
    const applied = await migrator.apply(url);
    const tookMs = Math.round(performance.now() - startedAt);
    // None where another process was faster.
    if (applied.length > 0) logger?.info({ database: kind, applied, tookMs }, 'Migrated the database');
    return applied;
  });
}

/**
 * Names of the migrations that the database lacks, of how many there are; applies none, and makes no SQLite file.
 * @throws ModelManagerError `unavailable` when the database cannot be reached
 */
export async function findPendingMigrations(url: string): Promise<{ pending: string[]; all: number }> {
  const kind = parseDatabaseKind(url);
  return guardDatabase(kind, async () => {
    const migrator = await loadMigrator(kind);
    const finished = new Set(await migrator.find(url));
    const all = listMigrations(kind);
    return { pending: all.filter((name) => !finished.has(name)), all: all.length };
  });
}

/** Each database's driver is loaded only where it is used. */
async function loadMigrator(kind: DatabaseKind) {
  if (kind === 'sqlite') {
    const { applySqliteMigrations, findFinishedMigrations } = await import('./sqlite-migrations.ts');
    return { apply: applySqliteMigrations, find: findFinishedMigrations };
  }
  const { applyPostgresMigrations, findFinishedMigrations } = await import('./postgres-migrations.ts');
  return { apply: applyPostgresMigrations, find: findFinishedMigrations };
}
