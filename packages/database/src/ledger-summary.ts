import { type UsageGroupBy, type UsageQuery, type UsageReport, UsageTotals } from '@aimm/contracts';
import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import { selectUsage } from './ledger-arms.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { readInSpans } from './ledger-spans.ts';
import { addBins, type Bins, findPercentiles, readBins, readValues } from './usage-bins.ts';
import {
  binNames,
  errorCode,
  readCounts,
  sumColumns,
  sumNames,
  type SumColumn,
  toAddend,
  toMilliseconds,
} from './usage-columns.ts';

/** From the roll-ups of whole quarters of an hour, and from the ledger's rows where there is none yet. */
export async function summarizeUsage(client: Client, dialect: LedgerDialect, query: UsageQuery): Promise<UsageReport> {
  const { groupBy } = query;
  const key = toKey(groupBy);
  const { rows, from, to, widened } = await readInSpans(client, { ...query, byDay: groupBy === 'day' }, (spans) =>
    selectUsage(dialect, spans, {
      rolledUp: raw(rolledUpColumns(key('usage_series'))),
      single: raw(singleColumns(key('usage_stats'))),
      ofSeries: toFilter(dialect, 'usage_series', query),
      ofRows: toFilter(dialect, 'usage_stats', query),
      groupBy: raw('GROUP BY 1'),
    }),
  );
  const [totals, groups] = [createSum(), new Map<string, Sum>()];
  for (const row of rows as SummaryRow[]) {
    const sum = toSum(row);
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
    groups: [...groups].map(([name, group]) => ({ ...toTotals(group), key: name })).toSorted(byWeight),
  };
}

type Group = UsageReport['groups'][number];

/** Most cost, then most calls, first; the key decides between equals, so that the order is always the same. */
function byWeight(left: Group, right: Group): number {
  return right.costNanoUsd - left.costNanoUsd || right.calls - left.calls || (left.key < right.key ? -1 : 1);
}

type Table = 'usage_series' | 'usage_stats';

/** Calls of the same tags go together here: their groups are made of these sums. */
function toKey(groupBy: UsageGroupBy | undefined): (table: Table) => string {
  switch (groupBy) {
    case undefined:
      return () => "CAST('' AS TEXT)";
    case 'provider':
    case 'client':
      return (table) => `${table}.${groupBy}`;
    case 'model':
      return (table) => `${table}.provider || '/' || ${table}.model`;
    case 'day':
      return () => 'given.day';
    case 'tag':
      return (table) => `CAST(${table}.tags AS TEXT)`;
  }
}

/** A call with two tags stands in both groups, one without in none. */
function toGroups(groupBy: UsageGroupBy | undefined, key: string): string[] {
  if (groupBy === undefined) return [];
  // Written by this package, as an array of strings.
  return groupBy === 'tag' ? (JSON.parse(key) as string[]) : [key];
}

function toFilter(dialect: LedgerDialect, table: Table, { provider, model, client, tag }: UsageQuery): Sql {
  const column = (name: string) => raw(`${table}.${name}`);
  const conditions = [sql`1 = 1`];
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

/** Text columns of roll-ups are made to be joined. Of single rows the values come as they are, see `readValues`. */
function rolledUpColumns(key: string): string {
  // PostgreSQL adds up whole numbers as decimals; every sum here fits 64 bits.
  const sums = sumNames.map((name) => `CAST(SUM(usage_rollups.${name}) AS BIGINT) AS ${name}`);
  const texts = ['errors', ...binNames].map((name) => `string_agg(usage_rollups.${name}, '') AS ${name}`);
  const values = binNames.map((name) => `CAST(NULL AS TEXT) AS ${name}_values`);
  return [`${key} AS group_key`, ...sums, ...texts, ...values].join(', ');
}

function singleColumns(key: string): string {
  const sums = sumNames.map((name) => `CAST(SUM(${toAddend(name)}) AS BIGINT) AS ${name}`);
  const errors = `string_agg(${errorCode} || ' 1,', '') AS errors`;
  const texts = binNames.map((name) => `CAST(NULL AS TEXT) AS ${name}`);
  const values = binNames.map((name) => `string_agg(CAST(${toMilliseconds(name)} AS TEXT), ',') AS ${name}_values`);
  return [`${key} AS group_key`, ...sums, errors, ...texts, ...values].join(', ');
}

/** Whole numbers come as bigint or number, depending on the database and on whether they were computed. */
interface SummaryRow extends Record<string, string | bigint | number | null> {
  group_key: string;
}

interface Sum {
  sums: Map<SumColumn, number>;
  errors: Map<string, number>;
  bins: Map<string, Bins>;
}

function createSum(): Sum {
  return { sums: new Map(), errors: new Map(), bins: new Map(binNames.map((name) => [name, new Map()])) };
}

function toSum(row: SummaryRow): Sum {
  const sum = createSum();
  for (const name of sumNames) sum.sums.set(name, Number(row[name] ?? 0));
  if (row['errors'] != null) readCounts(sum.errors, String(row['errors']));
  for (const [name, bins] of sum.bins) {
    const [joined, values] = [row[name], row[`${name}_values`]];
    if (joined != null) addBins(bins, readBins(String(joined)));
    if (values != null) addBins(bins, readValues(String(values)));
  }
  return sum;
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
  return UsageTotals.parse({
    ...counts,
    errorRate: (count('failed') + count('partial') + count('outcome_unknown')) / Math.max(1, count('calls')),
    errorsByCode: Object.fromEntries([...errors].toSorted(([, left], [, right]) => right - left)),
    queueP50Ms,
    queueP95Ms,
    latencyP50Ms,
    latencyP95Ms,
    firstTokenP50Ms,
    firstTokenP95Ms,
  });
}
