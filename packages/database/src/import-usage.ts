import { ModelManagerError } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Batch } from './import-batches.ts';
import { insertRows, listColumns, toGiven } from './import-rows.ts';
import type { PlainConnection } from './plain-connection.ts';

/** Writes the rows of the usage tables and gives how many were written. */
export interface UsageImport {
  insert(batch: Batch): Promise<number>;
  /** What a person has to know about what was left out. */
  notes(): string[];
}

const dayMs = 86_400_000;
export const usageTables = ['usage_retention', 'usage_tombstones', 'usage_series', 'usage_stats', 'usage_rollups'];

/**
 * Into a database without usage everything goes as it is. Into one that has some, sums cannot: nobody knows which calls of the file
 * are in them already. There the ledger's rows go, which have names, and a worker rolls them up. Of the time before the file's
 * retention deleted rows, where only sums know everything, all goes as it is, if the database has nothing of that time.
 */
export async function createUsageImport(connection: PlainConnection): Promise<UsageImport> {
  if (await isEmptyOf(connection, usageTables)) {
    return { insert: (batch) => insertRows(connection, batch, false), notes: () => [] };
  }
  await connection.run(sql`CREATE TEMPORARY TABLE backup_series (file_id BIGINT PRIMARY KEY, hash TEXT NOT NULL)`);
  const [own] = await connection.rows(sql`SELECT deleted_before FROM usage_retention WHERE id = 1`);
  const deletedHere = BigInt(String(own?.['deleted_before'] ?? 0));
  const past: Past = { before: 0n, isTaken: false };
  let tooOld = 0;

  const insert = async (batch: Batch): Promise<number> => {
    switch (batch.table.name) {
      case 'usage_retention':
        Object.assign(past, await findPast(connection, batch));
        return past.isTaken ? raiseRetention(connection, batch) : 0;
      case 'usage_tombstones':
        return past.isTaken ? insertRows(connection, batch, false) : 0;
      case 'usage_series':
        return past.isTaken ? insertSeries(connection, batch) : 0;
      case 'usage_rollups':
        return past.isTaken ? insertRollups(connection, batch, past) : 0;
      default: {
        const { written, left } = await insertLedger(connection, batch, past, deletedHere);
        tooOld += left;
        return written;
      }
    }
  };
  const notes = () => [
    ...(tooOld === 0
      ? []
      : [
          `${tooOld} ledger rows from before ${toDay(deletedHere)} were left out: this database has deleted its rows of that time and may have counted them.`,
        ]),
    ...(past.before === 0n || past.isTaken
      ? []
      : [
          `Of the time before ${toDay(past.before)} the file has some usage in sums only. They were left out: this database has usage of that time itself.`,
        ]),
  ];
  return { insert, notes };
}

export async function isEmptyOf(connection: PlainConnection, tables: readonly string[]): Promise<boolean> {
  const questions = tables.map((name) => `EXISTS (SELECT 1 FROM "${name}")`);
  const [answer] = await connection.rows(raw(`SELECT ${questions.join(' OR ')} AS found`));
  return !Number(answer?.['found']);
}

interface Past {
  /** Epoch milliseconds, the end of a day of UTC, and so of roll-ups of every width; 0: the file's rows are all there. */
  before: bigint;
  isTaken: boolean;
}

async function findPast(connection: PlainConnection, { rows }: Batch): Promise<Past> {
  const deletedBefore = Math.max(...rows.map(({ row }) => Number(row['deleted_before'])));
  const before = BigInt(Math.ceil(deletedBefore / dayMs) * dayMs);
  const [answer] = await connection.rows(sql`
    SELECT EXISTS (SELECT 1 FROM usage_stats WHERE started_at < ${before}) OR
           EXISTS (SELECT 1 FROM usage_rollups WHERE scope = 'all' AND width_minutes = 1440 AND starts_at < ${before}) AS found`);
  return { before, isTaken: !Number(answer?.['found']) };
}

async function raiseRetention(connection: PlainConnection, batch: Batch): Promise<number> {
  return connection.run(sql`
    INSERT INTO usage_retention (id, deleted_before) SELECT id, deleted_before FROM ${toGiven(connection, batch)} WHERE true
    ON CONFLICT (id) DO UPDATE SET deleted_before = excluded.deleted_before
    WHERE usage_retention.deleted_before < excluded.deleted_before`);
}

/** Under the number that the database has for it, or gives it. */
async function insertSeries(connection: PlainConnection, batch: Batch): Promise<number> {
  const given = toGiven(connection, batch);
  const columns = batch.columns.filter(({ name }) => name !== 'id');
  await connection.run(sql`INSERT INTO backup_series (file_id, hash) SELECT id, hash FROM ${given}`);
  return connection.run(sql`
    INSERT INTO usage_series (${listColumns(columns)}) SELECT ${listColumns(columns)} FROM ${given} WHERE true
    ON CONFLICT DO NOTHING`);
}

async function insertRollups(connection: PlainConnection, batch: Batch, { before }: Past): Promise<number> {
  const given = toGiven(connection, batch);
  const [orphan] = await connection.rows(sql`
    SELECT series_id FROM ${given} WHERE NOT EXISTS (SELECT 1 FROM backup_series WHERE file_id = series_id) LIMIT 1`);
  if (orphan !== undefined) {
    const line = batch.rows.find(({ row }) => Number(row['series_id']) === Number(orphan['series_id']))?.line;
    throw new ModelManagerError(
      'invalid_request',
      `Line ${line ?? '?'}: usage_rollups: row.series_id: expected the id of a row of usage_series before it.`,
    );
  }
  const columns = batch.columns.filter(({ name }) => name !== 'series_id');
  return connection.run(sql`
    INSERT INTO usage_rollups (series_id, ${listColumns(columns)})
    SELECT usage_series.id, ${listColumns(columns, 'given')}
    FROM ${given} JOIN backup_series ON file_id = given.series_id JOIN usage_series ON usage_series.hash = backup_series.hash
    WHERE given.starts_at < ${before} ON CONFLICT DO NOTHING`);
}

/** `left`: rows that are older than what the database has deleted, and of which it may have counted some. */
async function insertLedger(connection: PlainConnection, batch: Batch, { before, isTaken }: Past, deletedHere: bigint) {
  const given = toGiven(connection, batch);
  const asItIs = isTaken ? sql`given.started_at < ${before}` : sql`false`;
  const isNew = sql`(${asItIs} OR given.started_at >= ${deletedHere})`;
  const isKnownToBeGone = sql`EXISTS (SELECT 1 FROM usage_tombstones AS gone
    WHERE gone.request_id = given.request_id AND gone.call_number = given.call_number)`;
  const wasRolledUp = raw(batch.columns.some(({ name }) => name === 'rolled_up') ? 'given.rolled_up' : 'false');
  const columns = batch.columns.filter(({ name }) => name !== 'rolled_up');
  const [old] = await connection.rows(sql`
    SELECT count(*) AS count FROM ${given} WHERE NOT ${isNew} AND NOT ${isKnownToBeGone}
    AND NOT EXISTS (SELECT 1 FROM usage_stats AS there
      WHERE there.request_id = given.request_id AND there.call_number = given.call_number)`);
  const written = await connection.run(sql`
    INSERT INTO usage_stats (rolled_up, ${listColumns(columns)})
    SELECT CASE WHEN ${asItIs} THEN ${wasRolledUp} ELSE false END, ${listColumns(columns, 'given')}
    FROM ${given} WHERE ${isNew} ON CONFLICT DO NOTHING`);
  return { written, left: Number(old?.['count'] ?? 0) };
}

function toDay(epochMs: bigint): string {
  return new Date(Number(epochMs)).toISOString().slice(0, 10);
}
