import { existsSync } from 'node:fs';
import { ModelManagerError } from '@aimm/contracts';
import { raw } from '@prisma/client/runtime/client';
import type { Logger } from '@aimm/runtime';
import { readStoredTables, selectRows, toBackupRow } from './backup-columns.ts';
import { toHeaderLine, toLine } from './backup-format.ts';
import { secretCounts } from './backup-tables.ts';
import { parseDatabaseKind, toSqlitePath } from './database-url.ts';
import { toDatabaseFailure } from './failures.ts';
import { migrateDatabase } from './migrate.ts';
import { openPlainConnection, type PlainConnection } from './plain-connection.ts';
import { listMigrations } from './schema-files.ts';

export interface ExportOptions {
  /** `file:/path/to/aimm.db` (SQLite) or `postgresql://…`. */
  url: string;
  logger?: Logger | undefined;
  /** Epoch milliseconds. */
  now?: () => number;
  /** Told now and then, with how many rows were read. */
  onProgress?: ((rows: number) => void) | undefined;
}

export interface ExportSummary {
  rows: number;
  /** Rows by table. */
  tables: Record<string, number>;
  /** Rows of secrets by table, which are not in it. */
  leftOut: Record<string, number>;
}

const pieceChars = 65_536;

/**
 * Everything but secrets as lines of JSON, in pieces of some 64 KB, from one look at the database: what is written meanwhile is not
 * in it, and nobody waits. Memory holds some rows at a time.
 * @throws ModelManagerError `unavailable` when the database cannot be used, `invalid_request` when there is no such file
 */
export async function* exportDatabase(options: ExportOptions): AsyncGenerator<string, ExportSummary> {
  const { url, logger, now = Date.now, onProgress } = options;
  const kind = parseDatabaseKind(url);
  if (kind === 'sqlite' && !existsSync(toSqlitePath(url))) {
    // Rather than make one, and an empty backup that is taken for a good one.
    throw new ModelManagerError('invalid_request', `There is no database ${toSqlitePath(url)}.`, {
      hint: 'Set AIMM_DATA_DIR or DATABASE_URL to where it is.',
    });
  }
  await migrateDatabase({ url, logger });
  let connection: PlainConnection | undefined;
  try {
    connection = await openPlainConnection(url);
    await connection.begin('read');
    const leftOut = await countSecrets(connection);
    let piece = toHeaderLine({
      schema: listMigrations(kind).at(-1) ?? '',
      exported_at: new Date(now()).toISOString(),
      database: kind,
      left_out: leftOut,
    });
    const tables: Record<string, number> = {};
    let rows = 0;
    for (const table of await readStoredTables(connection)) {
      let count = 0;
      for await (const row of connection.stream(selectRows(connection, table))) {
        piece += toLine({ table: table.name, row: toBackupRow(table.columns, row) });
        count += 1;
        if (piece.length < pieceChars) continue;
        onProgress?.(rows + count);
        yield piece;
        piece = '';
      }
      tables[table.name] = count;
      rows += count;
    }
    yield piece + toLine({ end: true, counts: tables });
    return { rows, tables, leftOut };
  } catch (thrown) {
    throw toDatabaseFailure(kind, thrown);
  } finally {
    await connection?.close();
  }
}

async function countSecrets(connection: PlainConnection): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [table, query] of Object.entries(secretCounts)) {
    const [found] = await connection.rows(raw(query));
    counts[table] = Number(found?.['count'] ?? 0);
  }
  return counts;
}
