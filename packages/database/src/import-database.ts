import { setImmediate as nextTurn } from 'node:timers/promises';
import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import { readStoredTables, type StoredTable } from './backup-columns.ts';
import type { BackupHeader } from './backup-format.ts';
import { parseDatabaseKind } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { type Batch, toBatches } from './import-batches.ts';
import { insertRows, keptTable } from './import-rows.ts';
import { createUsageImport, isEmptyOf, usageTables } from './import-usage.ts';
import { ledgerDialects } from './ledger-dialects.ts';
import { mendSums } from './mend-sums.ts';
import { migrateDatabase } from './migrate.ts';
import { type BackupReader, parseBackup } from './parse-backup.ts';
import { openPlainConnection, type PlainConnection } from './plain-connection.ts';
import { listMigrations } from './schema-files.ts';

export interface ImportOptions {
  /** `file:/path/to/aimm.db` (SQLite) or `postgresql://…`. */
  url: string;
  logger?: Logger | undefined;
  /** The backup's bytes. `isRepeatable`: they can be had twice, and are all checked before anything is written. */
  source: { open: () => AsyncIterable<Uint8Array>; isRepeatable: boolean };
  /** Adds to a database that is not empty; what is there is left alone. */
  merges: boolean;
  /** Told now and then, with how many rows were checked or written. */
  onProgress?: ((step: 'checked' | 'written', rows: number) => void) | undefined;
}

export interface ImportSummary {
  inserted: number;
  /** Of rows that were there already, or belong to such. */
  skipped: number;
  tables: Record<string, { inserted: number; skipped: number }>;
  /** What a person has to know about what was skipped. */
  notes: string[];
  /** Rows of secrets by table that the backup left out. */
  leftOut: Record<string, number>;
}

const mostFaults = 10;
const checkedAtOnce = 500;

/**
 * Writes a backup into a database, as one transaction: all of it or nothing. Memory holds some rows at a time.
 * @throws ModelManagerError `invalid_request` when something is wrong with the backup, or the database is not empty, and
 *   `unavailable` when it cannot be used; nothing was written then
 */
export async function importDatabase({
  url,
  logger,
  source,
  merges,
  onProgress,
}: ImportOptions): Promise<ImportSummary> {
  const kind = parseDatabaseKind(url);
  await migrateDatabase({ url, logger });
  return guardDatabase(kind, async () => {
    const connection = await openPlainConnection(url);
    try {
      const tables = await readStoredTables(connection);
      const reader: BackupReader = { tables, migrations: listMigrations(kind) };
      if (!merges) await requireEmpty(connection, tables);
      if (source.isRepeatable) await checkBackup(source.open(), reader, onProgress);
      await connection.begin('write');
      await lock(connection);
      // Somebody may have written since.
      if (!merges) await requireEmpty(connection, tables);
      const summary = await writeBackup(connection, source.open(), reader, { merges, onProgress });
      await raiseSequences(connection, tables);
      await connection.commit();
      return summary;
    } finally {
      await connection.close();
    }
  });
}

/** No other import, and nobody who changes the roll-ups, until the transaction ends. */
async function lock(connection: PlainConnection): Promise<void> {
  const { tryLock } = ledgerDialects[connection.kind];
  while (tryLock !== undefined) {
    const [answer] = await connection.rows(tryLock);
    if (answer?.['taken'] === true) return;
    await connection.rows(sql`SELECT CAST(pg_sleep(0.2) AS TEXT)`);
  }
}

async function requireEmpty(connection: PlainConnection, tables: readonly StoredTable[]): Promise<void> {
  const names = tables.map(({ name }) => name);
  if (await isEmptyOf(connection, names)) return;
  throw new ModelManagerError('invalid_request', 'The database is not empty.', {
    hint: 'With --merge the backup is added to what is there, which stays as it is. Or name an empty database in DATABASE_URL.',
  });
}

/** Reads it to its end. @throws ModelManagerError naming up to ten lines that are at fault */
async function checkBackup(
  bytes: AsyncIterable<Uint8Array>,
  reader: BackupReader,
  onProgress: ImportOptions['onProgress'],
): Promise<void> {
  const faults: string[] = [];
  let rows = 0;
  const onFault = (fault: string) => {
    if (faults.push(fault) === mostFaults) throw new ModelManagerError('invalid_request', 'There may be more.');
  };
  try {
    for await (const row of parseBackup(bytes, { ...reader, onFault })) {
      rows += 1;
      if (row.line % checkedAtOnce === 0) onProgress?.('checked', rows);
    }
  } catch (error) {
    if (faults.length === 0 || !(error instanceof ModelManagerError)) throw error;
    faults.push(error.message);
  }
  if (faults.length > 0) {
    throw new ModelManagerError('invalid_request', faults.join('\n'), { hint: 'Nothing was imported.' });
  }
}

async function writeBackup(
  connection: PlainConnection,
  bytes: AsyncIterable<Uint8Array>,
  reader: BackupReader,
  { merges, onProgress }: Pick<ImportOptions, 'merges' | 'onProgress'>,
): Promise<ImportSummary> {
  if (merges) await connection.run(keptTable);
  const usage = await createUsageImport(connection);
  const tables = Object.fromEntries(reader.tables.map(({ name }) => [name, { inserted: 0, skipped: 0 }]));
  const summary: ImportSummary = { inserted: 0, skipped: 0, tables, notes: [], leftOut: {} };
  let schema = '';
  const onHeader = (header: BackupHeader) => {
    summary.leftOut = header.left_out;
    schema = header.schema;
  };
  for await (const batch of toBatches(parseBackup(bytes, { ...reader, onHeader }))) {
    const { name } = batch.table;
    const isUsage = usageTables.includes(name);
    const write = isUsage ? usage.insert(batch) : insertRows(connection, batch, merges);
    const inserted = await write.catch((cause: unknown) => {
      throw cause instanceof ModelManagerError ? cause : toRefusal(batch, cause);
    });
    const counts = (tables[name] ??= { inserted: 0, skipped: 0 });
    counts.inserted += inserted;
    counts.skipped += batch.rows.length - inserted;
    summary.inserted += inserted;
    summary.skipped += batch.rows.length - inserted;
    onProgress?.('written', summary.inserted + summary.skipped);
    await nextTurn();
  }
  await mendSums(connection, schema);
  summary.notes = usage.notes();
  return summary;
}

/** What a database does not take, though it looked right. Its cause says more, also whether the database is there. */
function toRefusal({ table, rows }: Batch, cause: unknown): Error {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new Error(`Lines ${rows[0]?.line} to ${rows.at(-1)?.line} (${table.name}) could not be written: ${said}`, {
    cause,
  });
}

/** PostgreSQL counts numbers that it gives apart from those that were given to it. */
async function raiseSequences(connection: PlainConnection, tables: readonly StoredTable[]): Promise<void> {
  if (connection.kind === 'sqlite') return;
  for (const { name, columns } of tables) {
    for (const { name: column } of columns.filter(({ keyPlace, type }) => keyPlace > 0 && type === 'integer')) {
      await connection.rows(sql`
        SELECT setval(sequence, (SELECT max(${raw(`"${column}"`)}) FROM ${raw(`"${name}"`)}))
        FROM pg_get_serial_sequence(${name}, ${column}) AS sequence WHERE sequence IS NOT NULL
        AND EXISTS (SELECT 1 FROM ${raw(`"${name}"`)})`);
    }
  }
}
