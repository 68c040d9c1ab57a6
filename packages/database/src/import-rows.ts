import { ModelManagerError } from '@aimm/contracts';
import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { BackupColumn } from './backup-columns.ts';
import type { Batch } from './import-batches.ts';
import { ledgerDialects } from './ledger-dialects.ts';
import type { PlainConnection } from './plain-connection.ts';

/** The batch's rows as a table called `given`. */
export function toGiven({ kind }: PlainConnection, { columns, rows }: Batch): Sql {
  const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]));
  return ledgerDialects[kind].given(
    rows.map(({ row }) => row),
    types,
  );
}

/** `"a", "b"`, or `given."a", given."b"`. */
export function listColumns(columns: readonly BackupColumn[], of?: string): Sql {
  return raw(columns.map(({ name }) => `${of === undefined ? '' : `${of}.`}"${name}"`).join(', '));
}

/** Where an import that adds to what is there remembers whose rows it leaves alone. */
export const keptTable = sql`
  CREATE TEMPORARY TABLE backup_kept (name TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (name, id))`;

/**
 * Writes the rows that are not there yet; gives how many. `merges`: rows whose parent was there before are left out too.
 * @throws ModelManagerError `invalid_request` naming the line of a row whose parent is nowhere
 */
export async function insertRows(connection: PlainConnection, batch: Batch, merges: boolean): Promise<number> {
  const { table, columns } = batch;
  const given = toGiven(connection, batch);
  const { parent } = table;
  if (parent !== undefined) await requireParents(connection, batch, parent);
  const conditions = [sql`true`];
  if (merges && parent !== undefined) {
    const column = raw(`given."${parent.column}"`);
    conditions.push(
      sql`NOT EXISTS (SELECT 1 FROM backup_kept WHERE name = ${parent.table} AND id = CAST(${column} AS TEXT))`,
    );
  }
  if (merges && columns.some(({ name }) => name === 'id')) {
    await connection.run(sql`
      INSERT INTO backup_kept (name, id) SELECT CAST(${table.name} AS TEXT), CAST(given.id AS TEXT) FROM ${given}
      WHERE EXISTS (SELECT 1 FROM ${raw(`"${table.name}"`)} AS there WHERE there.id = given.id) ON CONFLICT DO NOTHING`);
  }
  return connection.run(sql`
    INSERT INTO ${raw(`"${table.name}"`)} (${listColumns(columns)})
    SELECT ${listColumns(columns, 'given')} FROM ${given} WHERE ${join(conditions, ' AND ')} ON CONFLICT DO NOTHING`);
}

async function requireParents(
  connection: PlainConnection,
  batch: Batch,
  { table, column }: { table: string; column: string },
): Promise<void> {
  const [orphan] = await connection.rows(sql`
    SELECT CAST(${raw(`given."${column}"`)} AS TEXT) AS id FROM ${toGiven(connection, batch)}
    WHERE NOT EXISTS (SELECT 1 FROM ${raw(`"${table}"`)} AS parent WHERE parent.id = ${raw(`given."${column}"`)}) LIMIT 1`);
  if (orphan === undefined) return;
  const line = batch.rows.find(({ row }) => String(row[column]) === orphan['id'])?.line;
  throw new ModelManagerError(
    'invalid_request',
    `Line ${line ?? '?'}: ${batch.table.name}: row.${column}: expected the id of a row of ${table} before it.`,
  );
}
