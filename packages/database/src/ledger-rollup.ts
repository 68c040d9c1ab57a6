import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { addBins, addToBins, type Bins, readBins, toBin, writeBins } from './usage-bins.ts';
import {
  binNames,
  errorCode,
  readCounts,
  type RollupScope,
  rollupScopes,
  sumNames,
  type SumColumn,
  toAddend,
  toMilliseconds,
  writeCounts,
} from './usage-columns.ts';
import { rollupWidths, toRollupStart } from './usage-spans.ts';

type Transaction = Parameters<Parameters<Client['$transaction']>[0]>[0];

/**
 * Takes up to `limit` rows of the ledger, oldest first, into the roll-ups, and marks them: in one transaction, so that each row is
 * counted in both or in neither. Of several processes one does it at a time. Rows of unknown outcome are left until they began
 * before `unknownBefore`, as somebody may know better; from then on they stay as they are. Gives how many rows were taken.
 */
export async function rollUpUsage(
  client: Client,
  dialect: LedgerDialect,
  { limit, unknownBefore }: { limit: number; unknownBefore: number },
): Promise<number> {
  return client.$transaction(async (transaction) => {
    if (!(await lockRollups(transaction, dialect))) return 0;
    const rows = await readRows(transaction, dialect, limit, unknownBefore);
    if (rows.length === 0) return 0;
    // SQLite answers before it returns: without a pause between statements nothing else of this process would run meanwhile.
    await nextTurn();
    const [copies, own] = [rows.filter(isCopy), rows.filter((row) => !isCopy(row))];
    if (own.length > 0) {
      const series = await findSeries(transaction, dialect, own);
      await nextTurn();
      await addToRollups(transaction, dialect, own, series);
      await nextTurn();
      const names = givenNames(dialect, own);
      await transaction.$executeRaw(sql`
        UPDATE usage_stats SET rolled_up = true
        WHERE (request_id, call_number) IN (SELECT request_id, call_number FROM ${names})`);
    }
    if (copies.length > 0) {
      await transaction.$executeRaw(sql`
        DELETE FROM usage_stats
        WHERE (request_id, call_number) IN (SELECT request_id, call_number FROM ${givenNames(dialect, copies)})`);
    }
    return rows.length;
  });
}

/** Whether this transaction may change the roll-ups. */
export async function lockRollups(transaction: Transaction, { tryLock }: LedgerDialect): Promise<boolean> {
  if (tryLock === undefined) return true;
  const [answer] = await transaction.$queryRaw<{ taken: boolean }[]>(tryLock);
  return answer?.taken === true;
}

export function givenNames(dialect: LedgerDialect, rows: readonly { request_id: string; call_number: Whole }[]) {
  const names = rows.map(({ request_id, call_number }) => ({ request_id, call_number: Number(call_number) }));
  return dialect.given(names, { request_id: 'text', call_number: 'integer' });
}

/** Whole numbers come as bigint or number, and truth on SQLite as either, depending on whether they were computed. */
type Whole = bigint | number;

interface Row extends Record<string, string | Whole | boolean | null> {
  request_id: string;
  call_number: Whole;
  started_at: Whole;
  provider: string;
  model: string;
  client: string;
  /** JSON. */
  tags: string;
  error: string | null;
}

async function readRows(
  transaction: Transaction,
  dialect: LedgerDialect,
  limit: number,
  unknownBefore: number,
): Promise<Row[]> {
  const sums = sumNames.map((name) => `${toAddend(name)} AS ${name}`);
  const bins = binNames.map((name) => `${toMilliseconds(name)} AS ${name}`);
  return transaction.$queryRaw<Row[]>(sql`
    SELECT request_id, call_number, started_at, provider, model, client, CAST(tags AS TEXT) AS tags, demo,
           ${raw([...sums, ...bins].join(', '))}, ${raw(errorCode)} AS error,
           EXISTS (SELECT 1 FROM usage_tombstones WHERE usage_tombstones.request_id = usage_stats.request_id
                   AND usage_tombstones.call_number = usage_stats.call_number) AS is_copy
    FROM usage_stats
    WHERE rolled_up = false AND (status <> 'outcome_unknown' OR started_at < ${BigInt(Math.ceil(unknownBefore))})
    ORDER BY started_at LIMIT ${limit} ${dialect.forUpdate}`);
}

function isCopy(row: Row): boolean {
  return Boolean(row['is_copy']);
}

/** What a row has in common with others of its roll-up. */
function toSeries({ provider, model, client, tags, demo }: Row, scope: RollupScope) {
  const none = { provider: '', model: '', client: '', tags: [], demo: false };
  // Written by this package, as an array of strings.
  const toTags = () => (JSON.parse(tags) as string[]).toSorted();
  switch (scope) {
    case 'all':
      return none;
    case 'model':
      return { ...none, provider, model };
    case 'client':
      return { ...none, client };
    case 'tags':
      return { ...none, tags: toTags() };
    case 'series':
      return { provider, model, client, tags: toTags(), demo: Boolean(demo) };
  }
}

function toHash(row: Row, scope: RollupScope): string {
  return createHash('sha256')
    .update(JSON.stringify([scope, ...Object.values(toSeries(row, scope))]))
    .digest('hex');
}

/** The ids of the rows' series by their hashes; what is new is made. */
async function findSeries(transaction: Transaction, dialect: LedgerDialect, rows: readonly Row[]) {
  const given = new Map(
    rows.flatMap((row) => rollupScopes.map((scope) => [toHash(row, scope), toSeries(row, scope)] as const)),
  );
  const read = async () => {
    const found = await transaction.usageSeries.findMany({
      where: { hash: { in: [...given.keys()] } },
      select: { id: true, hash: true },
    });
    return new Map(found.map(({ id, hash }) => [hash, id]));
  };
  const known = await read();
  const missing = [...given].filter(([hash]) => !known.has(hash));
  if (missing.length === 0) return known;
  const fresh = missing.map(([hash, common]) => ({ hash, ...common }));
  await transaction.$executeRaw(sql`
    INSERT INTO usage_series (hash, provider, model, client, tags, demo)
    SELECT hash, provider, model, client, tags, demo FROM ${dialect.given(fresh, {
      hash: 'text',
      provider: 'text',
      model: 'text',
      client: 'text',
      tags: 'json',
      demo: 'boolean',
    })}`);
  return read();
}

/** What a batch of rows adds to one roll-up. */
interface Addition {
  scope: RollupScope;
  width_minutes: number;
  starts_at: number;
  series_id: number;
  sums: Map<SumColumn, bigint>;
  errors: Map<string, number>;
  bins: Map<string, Bins>;
}

const keyTypes = { scope: 'text', width_minutes: 'integer', starts_at: 'bigint', series_id: 'integer' } as const;
const textNames = ['errors', ...binNames] as const;

async function addToRollups(
  transaction: Transaction,
  dialect: LedgerDialect,
  rows: readonly Row[],
  series: ReadonlyMap<string, number>,
): Promise<void> {
  const additions = addUp(rows, series);
  const keys = [...additions.values()].map(({ scope, width_minutes, starts_at, series_id }) => ({
    scope,
    width_minutes,
    starts_at,
    series_id,
  }));
  const stored = await transaction.$queryRaw<(Record<string, Whole | string | null> & RollupKey)[]>(sql`
    SELECT scope, width_minutes, starts_at, series_id, ${raw(textNames.map((name) => `usage_rollups.${name}`).join(', '))}
    FROM ${dialect.given(keys, keyTypes)} JOIN usage_rollups USING (scope, width_minutes, starts_at, series_id)`);
  for (const row of stored) {
    const addition = additions.get(toRollupKey(row));
    if (addition === undefined) throw new TypeError('what was read was asked for');
    if (row['errors'] != null) readCounts(addition.errors, String(row['errors']));
    for (const [name, bins] of addition.bins) if (row[name] != null) addBins(bins, readBins(String(row[name])));
  }
  const names = [...Object.keys(keyTypes), ...sumNames, ...textNames];
  const types = Object.fromEntries(names.map((name) => [name, 'bigint' as const]));
  for (const name of textNames) Object.assign(types, { [name]: 'text' });
  const added = [
    ...sumNames.map((name) => `${name} = usage_rollups.${name} + excluded.${name}`),
    ...textNames.map((name) => `${name} = excluded.${name}`),
  ];
  await nextTurn();
  const written = [...additions.values()].map(toJsonRow);
  await nextTurn();
  await transaction.$executeRaw(sql`
    INSERT INTO usage_rollups (${raw(names.join(', '))})
    SELECT ${raw(names.join(', '))} FROM ${dialect.given(written, { ...types, ...keyTypes })} WHERE true
    ON CONFLICT (scope, width_minutes, starts_at, series_id) DO UPDATE SET ${raw(added.join(', '))}`);
}

interface RollupKey {
  scope: string;
  width_minutes: Whole;
  starts_at: Whole;
  series_id: Whole;
}

function toRollupKey({ scope, width_minutes, starts_at, series_id }: RollupKey): string {
  return `${scope} ${width_minutes} ${starts_at} ${series_id}`;
}

function addUp(rows: readonly Row[], series: ReadonlyMap<string, number>): Map<string, Addition> {
  const additions = new Map<string, Addition>();
  for (const row of rows) {
    for (const scope of rollupScopes) {
      const seriesId = series.get(toHash(row, scope));
      if (seriesId === undefined) throw new TypeError('every series was made');
      for (const width of rollupWidths) {
        const starts_at = toRollupStart(Number(row.started_at), width);
        const key = { scope, width_minutes: width, starts_at, series_id: seriesId };
        const addition = additions.get(toRollupKey(key)) ?? createAddition(key);
        additions.set(toRollupKey(key), addition);
        addRow(addition, row);
      }
    }
  }
  return additions;
}

function createAddition(key: Pick<Addition, 'scope' | 'width_minutes' | 'starts_at' | 'series_id'>): Addition {
  return { ...key, sums: new Map(), errors: new Map(), bins: new Map(binNames.map((name) => [name, new Map()])) };
}

function addRow({ sums, errors, bins }: Addition, row: Row): void {
  for (const name of sumNames) sums.set(name, (sums.get(name) ?? 0n) + BigInt(row[name] as Whole));
  if (row.error !== null) errors.set(row.error, (errors.get(row.error) ?? 0) + 1);
  for (const [name, into] of bins) {
    const value = row[name];
    if (value != null) addToBins(into, toBin(Number(value)));
  }
}

/** Sums as strings: they may be more than JSON's numbers hold. */
function toJsonRow({ sums, errors, bins, ...key }: Addition): Record<string, string | number | null> {
  const texts = [['errors', writeCounts(errors)], ...[...bins].map(([name, counted]) => [name, writeBins(counted)])];
  return {
    ...key,
    ...Object.fromEntries([...sums].map(([name, sum]) => [name, String(sum)])),
    ...Object.fromEntries(texts.map(([name, text]) => [name, text === '' ? null : text])),
  };
}
