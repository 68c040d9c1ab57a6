import { ErrorCode, type UsageGroupBy, type UsageQuery, type UsageReport, type UsageTotals } from '@aimm/contracts';
import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import { selectUsage, type UsageArms, type UsageRow } from './ledger-arms.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { readInSpans } from './ledger-spans.ts';
import { toStorableText } from './storable.ts';
import { addBins, type Bins, findPercentiles, readBins, readValues } from './usage-bins.ts';
import {
  binNames,
  errorCode,
  readCounts,
  type RollupScope,
  sumColumns,
  sumNames,
  type SumColumn,
  toAddend,
  toMilliseconds,
} from './usage-columns.ts';

/** From the roll-ups of whole quarters of an hour, and from the ledger's rows where there is none yet. */
export async function summarizeUsage(client: Client, dialect: LedgerDialect, query: UsageQuery): Promise<UsageReport> {
  const { groupBy } = query;
  const { rows, from, to, widened } = await readInSpans(client, { ...query, byDay: groupBy === 'day' }, (spans) =>
    selectUsage(dialect, spans, {
      scope: toScope(query),
      rolledUp: rolledUpValues,
      single: singleValues,
      key: toKey(groupBy),
      where: toWhere(dialect, query),
    }),
  );
  const [totals, groups] = [createSum(), new Map<string, Sum>()];
  for (const row of rows) {
    const sum = toSum(row);
    if (isEmpty(sum)) continue;
    addTo(totals, sum);
    for (const name of toGroups(groupBy, row.group_key)) {
      const group = groups.get(name) ?? createSum();
      groups.set(name, group);
      addTo(group, sum);
    }
  }
  return {
    from,
    to,
    ...(widened && { widened }),
    totals: toTotals(totals),
    groups: [...groups]
      .map(([name, group]) => ({ ...toTotals(group), key: name }))
      .toSorted(groupBy === 'day' ? byKey : byWeight),
  };
}

type Group = UsageReport['groups'][number];

/** Most cost, then most calls, first; the key decides between equals, so that the order is always the same. */
function byWeight(left: Group, right: Group): number {
  return right.costNanoUsd - left.costNanoUsd || right.calls - left.calls || (left.key < right.key ? -1 : 1);
}

function byKey(left: Group, right: Group): number {
  return left.key < right.key ? -1 : 1;
}

type Table = 'usage_series' | 'usage_stats';

function toScope({ groupBy, provider, model, client, tag }: UsageQuery): RollupScope {
  const scopes = new Set<RollupScope>();
  if (groupBy === 'provider' || groupBy === 'model' || provider !== undefined || model !== undefined)
    scopes.add('model');
  if (groupBy === 'client' || client !== undefined) scopes.add('client');
  if (groupBy === 'tag' || tag !== undefined) scopes.add('tags');
  const [only = 'all', ...more] = scopes;
  return more.length === 0 ? only : 'series';
}

/** Calls of the same tags go together here: their groups are made of these sums. Days are spans. */
function toKey(groupBy: UsageGroupBy | undefined): UsageArms['key'] {
  const inBoth = (toSql: (table: Table) => string) => ({
    ofSeries: toSql('usage_series'),
    ofRows: toSql('usage_stats'),
  });
  switch (groupBy) {
    case undefined:
    case 'day':
      return undefined;
    case 'provider':
    case 'client':
      return inBoth((table) => `${table}.${groupBy}`);
    case 'model':
      return inBoth((table) => `${table}.provider || '/' || ${table}.model`);
    case 'tag':
      return inBoth((table) => `CAST(${table}.tags AS TEXT)`);
  }
}

/** A call with two tags stands in both groups, one without in none. */
function toGroups(groupBy: UsageGroupBy | undefined, key: string): string[] {
  if (groupBy === undefined) return [];
  // Written by this package, as an array of strings.
  return groupBy === 'tag' ? (JSON.parse(key) as string[]) : [key];
}

function toWhere(dialect: LedgerDialect, query: UsageQuery): UsageArms['where'] {
  const { provider, model, client, tag } = query;
  if ([provider, model, client, tag].every((value) => value === undefined)) return undefined;
  return { ofSeries: toFilter(dialect, 'usage_series', query), ofRows: toFilter(dialect, 'usage_stats', query) };
}

function toFilter(dialect: LedgerDialect, table: Table, query: UsageQuery): Sql {
  const stored = (text: string | undefined) => (text === undefined ? undefined : toStorableText(text));
  const [provider, model, client, tag] = [query.provider, query.model, query.client, query.tag].map(stored);
  const column = (name: string) => raw(`${table}.${name}`);
  const conditions: Sql[] = [];
  if (provider !== undefined) conditions.push(sql`${column('provider')} = ${provider}`);
  if (client !== undefined) conditions.push(sql`${column('client')} = ${client}`);
  if (model !== undefined) {
    const full = sql`${column('provider')} || '/' || ${column('model')}`;
    conditions.push(sql`(${column('model')} = ${model} OR ${full} = ${model})`);
  }
  if (tag !== undefined) {
    conditions.push(sql`EXISTS (SELECT 1 FROM ${dialect.tagsOf(`${table}.tags`)} WHERE tag.value = ${tag})`);
  }
  return join(conditions, ' AND ');
}

/** What is read of a group: sums, texts that were joined, and of single rows their milliseconds as they are. */
const rolledUpValues = [
  // PostgreSQL adds up whole numbers as decimals; every sum here fits 64 bits.
  ...sumNames.map((name) => `CAST(SUM(usage_rollups.${name}) AS BIGINT)`),
  ...['errors', ...binNames].map((name) => `string_agg(usage_rollups.${name}, '')`),
];
const singleValues = [
  ...sumNames.map((name) => `CAST(SUM(${toAddend(name)}) AS BIGINT)`),
  `string_agg(${errorCode} || ' 1,', '')`,
  ...binNames.map((name) => `string_agg(CAST(${toMilliseconds(name)} AS TEXT), ',')`),
];

interface Sum {
  sums: Map<SumColumn, number>;
  errors: Map<string, number>;
  bins: Map<string, Bins>;
}

function createSum(): Sum {
  return { sums: new Map(), errors: new Map(), bins: new Map(binNames.map((name) => [name, new Map()])) };
}

function toSum({ sums: json }: UsageRow): Sum {
  // Written by the database, in the order of the values above.
  const values = JSON.parse(json) as (number | string | null)[];
  const texts = values.slice(sumNames.length).map((text) => (text === null ? '' : String(text)));
  const [errors = '', ...bins] = texts;
  const sum = createSum();
  for (const [place, name] of sumNames.entries()) sum.sums.set(name, Number(values[place] ?? 0));
  readCounts(sum.errors, errors);
  for (const [place, name] of binNames.entries()) sum.bins.set(name, readMilliseconds(bins[place] ?? ''));
  return sum;
}

/** Single values begin with a digit, bins with a letter. */
function readMilliseconds(text: string): Bins {
  return /^\d/.test(text) ? readValues(text) : readBins(text);
}

/** A span without rows. */
function isEmpty({ sums }: Sum): boolean {
  return [...sums.values()].every((value) => value === 0);
}

function addTo({ sums, errors, bins }: Sum, more: Sum): void {
  for (const [name, value] of more.sums) sums.set(name, (sums.get(name) ?? 0) + value);
  for (const [code, times] of more.errors) errors.set(code, (errors.get(code) ?? 0) + times);
  for (const [name, into] of bins) addBins(into, more.bins.get(name) ?? new Map());
}

function toTotals({ sums, errors, bins }: Sum): UsageTotals {
  const counts = Object.fromEntries(sumNames.map((name) => [sumColumns[name].name, sums.get(name) ?? 0]));
  const count = (name: SumColumn) => sums.get(name) ?? 0;
  const percentiles = (name: string) => findPercentiles(bins.get(name) ?? new Map(), [50, 95]);
  const [latencyP50Ms, latencyP95Ms] = percentiles('latency_bins');
  const [firstTokenP50Ms, firstTokenP95Ms] = percentiles('first_token_bins');
  const [queueP50Ms, queueP95Ms] = percentiles('queue_bins');
  return {
    ...(counts as Record<(typeof sumColumns)[SumColumn]['name'], number>),
    errorRate: (count('failed') + count('partial') + count('outcome_unknown')) / Math.max(1, count('calls')),
    errorsByCode: toErrorsByCode(errors),
    queueP50Ms,
    queueP95Ms,
    latencyP50Ms,
    latencyP95Ms,
    firstTokenP50Ms,
    firstTokenP95Ms,
  };
}

/** Most frequent first. A code that a newer release wrote counts as `internal`. */
function toErrorsByCode(errors: ReadonlyMap<string, number>): UsageTotals['errorsByCode'] {
  const byCode = new Map<ErrorCode, number>();
  for (const [code, times] of errors) {
    const known = ErrorCode.safeParse(code).data ?? 'internal';
    byCode.set(known, (byCode.get(known) ?? 0) + times);
  }
  return Object.fromEntries([...byCode].toSorted(([, left], [, right]) => right - left));
}
