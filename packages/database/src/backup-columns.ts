import { raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import * as z from 'zod';
import { type BackupTable, backupTables } from './backup-tables.ts';
import type { ColumnType } from './ledger-dialects.ts';
import type { PlainConnection, PlainRow, PlainValue } from './plain-connection.ts';

export interface BackupColumn {
  name: string;
  type: ColumnType;
  isNullable: boolean;
  /** A file of an earlier version need not have it. */
  isOptional: boolean;
  /** Its place in the primary key, from 1; 0: none. */
  keyPlace: number;
}

/** A table as this database has it. */
export interface StoredTable extends BackupTable {
  /** The key first, then by name: in the same order on both databases. */
  columns: BackupColumn[];
  /** A row of it in a file. */
  Row: z.ZodType<Record<string, unknown>>;
}

/** Every table of a backup, with the columns that the database has. */
export async function readStoredTables(connection: PlainConnection): Promise<StoredTable[]> {
  const tables: StoredTable[] = [];
  for (const table of backupTables) {
    const found = (await connection.rows(toColumnQuery(connection, table.name))).map(toColumn);
    const columns = found.filter(({ name }) => !table.leftOut?.includes(name)).toSorted(byKeyThenName);
    if (columns.length === 0) throw new TypeError(`there is no table ${table.name}`);
    tables.push({ ...table, columns, Row: createRowSchema(columns, table.json) });
  }
  return tables;
}

function toColumnQuery({ kind }: PlainConnection, table: string): Sql {
  if (kind === 'sqlite') {
    return sql`SELECT name, type, "notnull" AS not_null, dflt_value IS NOT NULL AS has_default, pk AS key_place
      FROM pragma_table_info(${table})`;
  }
  return sql`
    SELECT attname AS name, upper(format_type(atttypid, atttypmod)) AS type, attnotnull AS not_null, atthasdef AS has_default,
           COALESCE(array_position(CAST(indkey AS smallint[]), attnum) + 1, 0) AS key_place
    FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
    WHERE attrelid = to_regclass(${table}) AND attnum > 0 AND NOT attisdropped`;
}

const columnTypes: Record<string, ColumnType> = {
  TEXT: 'text',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  BOOLEAN: 'boolean',
  JSONB: 'json',
  REAL: 'double precision',
  'DOUBLE PRECISION': 'double precision',
};

function toColumn({ name, type, not_null, has_default, key_place }: PlainRow): BackupColumn {
  const known = columnTypes[String(type)];
  if (known === undefined) throw new TypeError(`a backup does not know how to write a column of type ${String(type)}`);
  // A boolean of SQLite is a number.
  const isNullable = !Number(not_null);
  const keyPlace = Number(key_place);
  const isOptional = keyPlace === 0 && (isNullable || Boolean(Number(has_default)));
  return { name: String(name), type: known, isNullable, isOptional, keyPlace };
}

function byKeyThenName(a: BackupColumn, b: BackupColumn): number {
  if (a.keyPlace !== b.keyPlace) return (a.keyPlace || Infinity) - (b.keyPlace || Infinity);
  return a.name < b.name ? -1 : 1;
}

const most = 2n ** 63n;

const valueSchemas: Record<ColumnType, z.ZodType> = {
  text: z.string(),
  integer: z.int32(),
  bigint: z.custom((value) => isWhole(value), 'expected a whole number of 64 bits, as a string'),
  boolean: z.boolean(),
  'double precision': z.number(),
  json: z.custom((value) => typeof value === 'object' && value !== null, 'expected a JSON array or object'),
};

/** 64 bits do not fit into the numbers of JavaScript and of much else that reads JSON: they are strings in a file. */
function isWhole(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return false;
  return BigInt(value) < most && BigInt(value) >= -most;
}

function createRowSchema(columns: readonly BackupColumn[], json: BackupTable['json']): StoredTable['Row'] {
  const shape = columns.map(({ name, type, isNullable, isOptional }) => {
    const value = json?.[name] ?? valueSchemas[type];
    const nullable = isNullable ? z.nullable(value) : value;
    return [name, isOptional ? nullable.optional() : nullable];
  });
  return z.strictObject(Object.fromEntries(shape));
}

/** Every row of a table, in the order of its key: in that of the bytes of UTF-8 on both databases. JSON comes as text. */
export function selectRows(connection: PlainConnection, { name, columns }: StoredTable): Sql {
  const selected = columns.map(({ name: column, type }) =>
    type === 'json' ? `CAST("${column}" AS TEXT) AS "${column}"` : `"${column}"`,
  );
  const collation = connection.kind === 'postgresql' ? ' COLLATE "C"' : '';
  const order = columns
    .filter(({ keyPlace }) => keyPlace > 0)
    .map(({ name: column, type }) => `"${name}"."${column}"${type === 'text' ? collation : ''}`);
  return raw(`SELECT ${selected.join(', ')} FROM "${name}" ORDER BY ${order.join(', ')}`);
}

/** A driver's row as it stands in a file. */
export function toBackupRow(columns: readonly BackupColumn[], row: PlainRow): Record<string, unknown> {
  return Object.fromEntries(columns.map(({ name, type }) => [name, toBackupValue(type, row[name] ?? null)]));
}

function toBackupValue(type: ColumnType, value: PlainValue): unknown {
  if (value === null) return null;
  switch (type) {
    case 'text':
    case 'bigint':
      return String(value);
    case 'integer':
    case 'double precision':
      return Number(value);
    case 'boolean':
      return Boolean(value);
    case 'json':
      return sortKeys(JSON.parse(String(value)));
  }
}

/** PostgreSQL keeps no order of an object's keys. Sorted, the same data are the same bytes from either database. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]));
}
