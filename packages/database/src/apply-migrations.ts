import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils';
import type { DatabaseKind } from './database-url.ts';
import { toTableFilter, withSchemaEngine } from './schema-engine.ts';
import { loadMigrations, loadSchemaFiles } from './schema-files.ts';

/** How one kind of database keeps other processes from migrating at the same time. */
export interface MigrationLock {
  /** Begins a transaction that excludes other migrations until it ends; waits for its turn. */
  begin(adapter: SqlDriverAdapter): Promise<void>;
  /** Whether the schema engine asks for its own lock with this statement. It need not: it works inside the transaction. */
  isAskedFor(query: SqlQuery): boolean;
}

/**
 * Applies what the database lacks as one transaction, so that a process which dies halfway leaves the database as it was.
 * The engine by itself would leave half a migration and from then on refuse to go on. Returns the names it applied.
 */
export async function applyMigrations(
  kind: DatabaseKind,
  factory: SqlMigrationAwareDriverAdapterFactory,
  lock: MigrationLock,
): Promise<string[]> {
  const adapter = await factory.connect();
  try {
    await lock.begin(adapter);
    const applied = await runEngine(kind, adapter, lock);
    await adapter.executeScript('COMMIT');
    return applied;
  } finally {
    // Undoes what was not committed.
    await adapter.dispose();
  }
}

async function runEngine(kind: DatabaseKind, adapter: SqlDriverAdapter, lock: MigrationLock): Promise<string[]> {
  // PostgreSQL refuses every statement after the one that failed, and the engine would report the last refusal.
  let failure: unknown;
  const { provider, adapterName } = adapter;
  const lent: SqlDriverAdapter = {
    provider,
    adapterName,
    queryRaw: (query) => adapter.queryRaw(query),
    executeRaw: async (query) => (lock.isAskedFor(query) ? 0 : adapter.executeRaw(query)),
    executeScript: (script) =>
      adapter.executeScript(script).catch((error: unknown) => {
        failure ??= error;
        throw error;
      }),
    startTransaction: (level) => adapter.startTransaction(level),
    dispose: async () => undefined,
  };
  const connect = async () => lent;
  const lender = { provider, adapterName, connect, connectToShadowDb: connect };
  try {
    const { appliedMigrationNames } = await withSchemaEngine(loadSchemaFiles(kind), lender, (engine) =>
      engine.applyMigrations({ migrationsList: loadMigrations(kind), filters: toTableFilter(kind) }),
    );
    return appliedMigrationNames;
  } catch (error) {
    throw failure ?? error;
  }
}
