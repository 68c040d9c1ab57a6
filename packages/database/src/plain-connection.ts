import type { Sql } from '@prisma/client/runtime/client';
import { type DatabaseKind, parseDatabaseKind } from './database-url.ts';

/** A value as a driver gives it: 64-bit numbers are bigint (SQLite) or text (PostgreSQL). */
export type PlainValue = string | number | bigint | boolean | null;
export type PlainRow = Record<string, PlainValue>;

/**
 * One connection past Prisma, for what is too large for it: rows that come one by one, and a transaction without a time limit.
 * It has one transaction; closing undoes what was not committed.
 */
export interface PlainConnection {
  readonly kind: DatabaseKind;
  /** `read`: sees the database as it is now until it ends, and keeps nobody from writing. `write`: waits for its turn. */
  begin(mode: 'read' | 'write'): Promise<void>;
  commit(): Promise<void>;
  rows(statement: Sql): Promise<PlainRow[]>;
  /** Rows one by one, inside a transaction; nothing else may be asked before they end. */
  stream(statement: Sql): AsyncIterable<PlainRow>;
  /** Gives how many rows were written. */
  run(statement: Sql): Promise<number>;
  close(): Promise<void>;
}

/** Each database's driver is loaded only where it is used. @throws the driver's errors, as everything in it does */
export async function openPlainConnection(url: string): Promise<PlainConnection> {
  if (parseDatabaseKind(url) === 'sqlite') {
    const { openPlainSqlite } = await import('./plain-sqlite.ts');
    return openPlainSqlite(url);
  }
  const { openPlainPostgres } = await import('./plain-postgres.ts');
  return openPlainPostgres(url);
}
