import { setImmediate as nextTurn } from 'node:timers/promises';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import type {
  IsolationLevel,
  SqlDriverAdapter,
  SqlDriverAdapterFactory,
  SqlQuery,
  Transaction,
} from '@prisma/driver-adapter-utils';
import { retryWhileBusy } from './retry-busy.ts';
import { createLogSync, type LogSync } from './sync-log.ts';

/**
 * SQLite itself never waits for its lock, because that blocks the event loop, and with it a second connection of this very
 * process that may hold the lock. The waiting is ours, see `retry-busy.ts`; measured, it lets as many writes through.
 */
export const busyTimeoutMs = 0;

const statement = (sql: string): SqlQuery => ({ sql, args: [], argTypes: [] });

/**
 * Prisma's adapter with two faults repaired. It has one connection, over which transactions and single queries go.
 * 1. It begins a transaction deferred: one that reads and then writes is refused if another process wrote in between,
 *    and waiting does not help. Begun immediately, it only ever waits at its start, where it can be tried again.
 * 2. A query sent beside an open transaction joins it, and vanishes if that rolls back. Here it waits.
 * What was written is on the disk within a second.
 */
export function createSqliteFactory(path: string): SqlDriverAdapterFactory {
  const inner = new PrismaBetterSqlite3({ url: path, timeout: busyTimeoutMs });
  const connect = async () => {
    const adapter = await retryWhileBusy(() => openConnection(inner));
    return repairAdapter(adapter, createLogSync(`${path}-wal`));
  };
  return { provider: inner.provider, adapterName: inner.adapterName, connect };
}

async function openConnection(factory: SqlDriverAdapterFactory): Promise<SqlDriverAdapter> {
  const adapter = await factory.connect();
  try {
    await adapter.executeScript('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;');
    return adapter;
  } catch (error) {
    await adapter.dispose();
    throw error;
  }
}

function repairAdapter(adapter: SqlDriverAdapter, log: LogSync): SqlDriverAdapter {
  /** Resolves when the open transaction ends. */
  let ending: Promise<void> | undefined;

  const whenFree = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    // The driver answers before it returns: a row of queries would never let the event loop turn.
    await nextTurn();
    while (ending !== undefined) await ending;
    // In the same breath as the look at `ending`, or another could come in between.
    return run();
  };

  const begin = async (level?: IsolationLevel): Promise<Transaction> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const release = () => {
      log.noteWrite();
      ending = undefined;
      resolve();
    };
    ending = promise;
    try {
      const transaction = await adapter.startTransaction(level);
      await beginImmediately(transaction);
      return releaseAtEnd(transaction, release);
    } catch (error) {
      release();
      throw error;
    }
  };

  // What gives rows may have written them.
  const noteWrite = ({ sql }: SqlQuery) => {
    if (!/^\s*(SELECT|PRAGMA)\b/i.test(sql)) log.noteWrite();
  };

  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    queryRaw: (query) => retryWhileBusy(() => whenFree(() => adapter.queryRaw(query))).finally(() => noteWrite(query)),
    executeRaw: (query) => retryWhileBusy(() => whenFree(() => adapter.executeRaw(query))).finally(log.noteWrite),
    executeScript: (script) => whenFree(() => adapter.executeScript(script)).finally(log.noteWrite),
    startTransaction: (level) => retryWhileBusy(() => whenFree(() => begin(level))),
    async dispose() {
      await log.close();
      await adapter.dispose();
    },
  };
}

/** Puts an immediate transaction in the place of the deferred one that the adapter began. */
async function beginImmediately(transaction: Transaction): Promise<void> {
  try {
    await transaction.executeRaw(statement('ROLLBACK'));
    await transaction.executeRaw(statement('BEGIN IMMEDIATE'));
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
}

/** Prisma runs COMMIT or ROLLBACK as a statement before it calls these two, which only hand the connection back. */
function releaseAtEnd(transaction: Transaction, release: () => void): Transaction {
  const [commit, rollback] = [transaction.commit.bind(transaction), transaction.rollback.bind(transaction)];
  transaction.commit = () => commit().finally(release);
  transaction.rollback = () => rollback().finally(release);
  return transaction;
}
