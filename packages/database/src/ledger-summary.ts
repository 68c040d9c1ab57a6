import { type UsageGroupBy, type UsageQuery, type UsageReport, UsageTotals } from '@aimm/contracts';
import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';

/** Sums in one statement, and in a second one the groups, where some are asked for. */
export async function summarizeUsage(client: Client, dialect: LedgerDialect, query: UsageQuery): Promise<UsageReport> {
  const { from, to, groupBy } = query;
  const filter = toFilter(dialect, query);
  const [totals] = await sumUp(client, sql`CAST('' AS TEXT)`, raw('usage_stats'), filter);
  const groups = groupBy === undefined ? [] : await sumUp(client, ...toGrouping(dialect, groupBy), filter);
  const { key: _key, ...sums } = totals ?? { key: '', ...nothing };
  return { from, to, totals: sums, groups: groups.toSorted(byWeight) };
}

type Group = UsageReport['groups'][number];

/** Most cost, then most calls, first; the key decides between equals, so that the order is always the same. */
function byWeight(left: Group, right: Group): number {
  return right.costNanoUsd - left.costNanoUsd || right.calls - left.calls || (left.key < right.key ? -1 : 1);
}

function toFilter(dialect: LedgerDialect, { from, to, provider, model, client, tag }: UsageQuery): Sql {
  // Times are whole in the table: rounding up changes neither an inclusive beginning nor an exclusive end.
  const conditions = [sql`started_at >= ${BigInt(Math.ceil(from))}`, sql`started_at < ${BigInt(Math.ceil(to))}`];
  if (provider !== undefined) conditions.push(sql`provider = ${provider}`);
  if (model !== undefined) conditions.push(sql`(model = ${model} OR provider || '/' || model = ${model})`);
  if (client !== undefined) conditions.push(sql`client = ${client}`);
  if (tag !== undefined) conditions.push(sql`EXISTS (SELECT 1 FROM ${dialect.tags} WHERE tag.value = ${tag})`);
  return join(conditions, ' AND ');
}

/** The group's key, and the rows to choose from: a call with two tags stands in both groups, one without in none. */
function toGrouping(dialect: LedgerDialect, groupBy: UsageGroupBy): [key: Sql, rows: Sql] {
  const table = raw('usage_stats');
  switch (groupBy) {
    case 'provider':
      return [raw('provider'), table];
    case 'model':
      return [raw("provider || '/' || model"), table];
    case 'client':
      return [raw('client'), table];
    case 'day':
      return [dialect.day, table];
    case 'tag':
      return [raw('tag.value'), sql`usage_stats CROSS JOIN ${dialect.tags}`];
  }
}

const statuses = ['succeeded', 'failed', 'cancelled', 'partial', 'outcome_unknown'];
const sums = [
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
];
// An answer from the cache is a request and no call: it used nothing up.
const countStatus = statuses.map(
  (status) => `COUNT(CASE WHEN status = '${status}' AND NOT cached THEN 1 END) AS ${status}`,
);
// PostgreSQL adds up whole numbers as decimals; every sum here fits 64 bits.
const addUp = sums.map(
  (column) => `CAST(COALESCE(SUM(CASE WHEN NOT cached THEN ${column} END), 0) AS BIGINT) AS ${column}`,
);

/**
 * Percentiles by nearest rank: the smallest value that so many per cent of the values do not exceed. Over a count of each
 * value, which is four times as fast on SQLite as numbering every row, and not with PostgreSQL's `percentile_disc`, which
 * SQLite lacks: so both count in the same way.
 */
const percentiles = (column: string) => `
  SELECT group_key,
         MIN(CASE WHEN up_to_here * 100 >= total * 50 THEN value END) AS p50,
         MIN(CASE WHEN up_to_here * 100 >= total * 95 THEN value END) AS p95
  FROM (SELECT group_key, value,
               SUM(times) OVER (PARTITION BY group_key ORDER BY value) AS up_to_here,
               SUM(times) OVER (PARTITION BY group_key) AS total
        FROM (SELECT group_key, ${column} AS value, COUNT(*) AS times FROM chosen
              WHERE status = 'succeeded' AND NOT cached AND ${column} IS NOT NULL GROUP BY group_key, ${column}) AS counted) AS ranked
  GROUP BY group_key`;

async function sumUp(client: Client, key: Sql, rows: Sql, filter: Sql): Promise<Group[]> {
  const found = await client.$queryRaw<SummaryRow[]>(sql`
    WITH chosen AS MATERIALIZED (
      SELECT ${key} AS group_key, request_id, status, cached, ${raw(sums.join(', '))}, provider_ms, first_token_ms
      FROM ${rows} WHERE ${filter}
    ),
    latency AS (${raw(percentiles('provider_ms'))}),
    first_token AS (${raw(percentiles('first_token_ms'))}),
    summed AS (
      SELECT group_key, COUNT(DISTINCT request_id) AS requests, COUNT(CASE WHEN NOT cached THEN 1 END) AS calls,
             COUNT(CASE WHEN cached THEN 1 END) AS cached,
             ${raw([...countStatus, ...addUp].join(', '))},
             COUNT(CASE WHEN status = 'succeeded' AND NOT cached AND cost_nano_usd IS NULL THEN 1 END) AS unpriced_calls
      FROM chosen GROUP BY group_key
    )
    SELECT summed.*, latency.p50 AS latency_p50_ms, latency.p95 AS latency_p95_ms,
           first_token.p50 AS first_token_p50_ms, first_token.p95 AS first_token_p95_ms
    FROM summed
    LEFT JOIN latency ON latency.group_key = summed.group_key
    LEFT JOIN first_token ON first_token.group_key = summed.group_key`);
  return found.map(toGroup);
}

/** Whole numbers come as bigint or number, depending on the database and on whether they were computed. */
interface SummaryRow extends Record<string, string | bigint | number | null> {
  group_key: string;
}

function toGroup(row: SummaryRow): Group {
  const count = (column: string) => Number(row[column] ?? 0);
  const known = (column: string) => (row[column] === null ? undefined : Number(row[column]));
  const calls = count('calls');
  const faulty = { failed: count('failed'), partial: count('partial'), outcomeUnknown: count('outcome_unknown') };
  const totals = UsageTotals.parse({
    requests: count('requests'),
    calls,
    cached: count('cached'),
    succeeded: count('succeeded'),
    cancelled: count('cancelled'),
    ...faulty,
    inputTokens: count('input_tokens'),
    outputTokens: count('output_tokens'),
    cacheReadTokens: count('cache_read_tokens'),
    cacheWriteTokens: count('cache_write_tokens'),
    reasoningTokens: count('reasoning_tokens'),
    costNanoUsd: count('cost_nano_usd'),
    unpricedCalls: count('unpriced_calls'),
    errorRate: (faulty.failed + faulty.partial + faulty.outcomeUnknown) / Math.max(1, calls),
    latencyP50Ms: known('latency_p50_ms'),
    latencyP95Ms: known('latency_p95_ms'),
    firstTokenP50Ms: known('first_token_p50_ms'),
    firstTokenP95Ms: known('first_token_p95_ms'),
  });
  return { ...totals, key: row.group_key };
}

const nothing: UsageTotals = {
  requests: 0,
  calls: 0,
  cached: 0,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  partial: 0,
  outcomeUnknown: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNanoUsd: 0,
  unpricedCalls: 0,
  errorRate: 0,
};
