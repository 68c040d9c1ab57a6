import type { Sql } from '@prisma/client/runtime/client';
import Sqlite from 'better-sqlite3';
import { toSqlitePath } from './database-url.ts';
import type { PlainConnection, PlainRow } from './plain-connection.ts';
import { retryWhileBusy } from './retry-busy.ts';
import { busyTimeoutMs } from './sqlite-adapter.ts';

/** A second connection to the file: in WAL mode its reading transaction and other processes' writing do not meet. */
export async function openPlainSqlite(url: string): Promise<PlainConnection> {
  const file = new Sqlite(toSqlitePath(url), { timeout: busyTimeoutMs });
  file.defaultSafeIntegers(true);
  const prepare = ({ sql }: Sql) => file.prepare<unknown[], PlainRow>(sql);
  try {
    await retryWhileBusy(async () => file.exec('PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON'));
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    kind: 'sqlite',
    begin: (mode) =>
      retryWhileBusy(async () => {
        file.pragma(`query_only = ${mode === 'read' ? 'ON' : 'OFF'}`);
        file.exec(mode === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE');
        if (mode === 'write') return;
        try {
          // What a transaction sees is settled by its first look.
          file.prepare('SELECT count(*) FROM sqlite_master').get();
        } catch (error) {
          file.exec('ROLLBACK');
          throw error;
        }
      }),
    commit: async () => void file.exec('COMMIT'),
    rows: async (statement) => prepare(statement).all(...statement.values),
    async *stream(statement) {
      yield* prepare(statement).iterate(...statement.values);
    },
    run: async (statement) => prepare(statement).run(...statement.values).changes,
    close: async () => void file.close(),
  };
}
