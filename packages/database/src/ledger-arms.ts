import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { LedgerDialect } from './ledger-dialects.ts';
import type { RollupScope } from './usage-columns.ts';
import type { Span, UsageSpans } from './usage-spans.ts';

/** What is asked of roll-ups and of single rows: the same values, as SQL aggregates, in the same order. */
export interface UsageArms {
  /** The roll-ups that tell apart what is asked; the fewer the quicker. */
  scope: RollupScope;
  rolledUp: readonly string[];
  single: readonly string[];
  /** What they are grouped by; absent: each span is a group, which takes a third of the time. */
  key?: { ofSeries: string; ofRows: string } | undefined;
  /** Which of them count; absent: all. */
  where?: { ofSeries: Sql; ofRows: Sql } | undefined;
}

/** `sums`: a JSON array of the values. A group may come more than once, and one without rows has nulls. */
export interface UsageRow {
  group_key: string;
  sums: string;
}

const spanColumns = { day: 'text', width: 'integer', from_at: 'bigint', to_at: 'bigint' } as const;

/** A row that came again after it was deleted: it counts already, and the next roll-up removes it. */
const isNoCopy = raw(`NOT EXISTS (SELECT 1 FROM usage_tombstones
  WHERE usage_tombstones.request_id = usage_stats.request_id AND usage_tombstones.call_number = usage_stats.call_number)`);

/**
 * Everything in the spans, in one statement, which sees the database at one moment: a row that is being rolled up meanwhile is seen
 * in its roll-up or by itself, and never in both. Undefined where there is no span.
 */
export function selectUsage(
  dialect: LedgerDialect,
  { pieces, fresh, edges }: UsageSpans,
  { scope, rolledUp, single, key, where }: UsageArms,
): Sql | undefined {
  // Times are whole in the table: rounding up changes neither an inclusive beginning nor an exclusive end.
  const toRow = ({ day, width, from, to }: Span & { width?: number }) => ({
    day,
    width,
    from_at: Math.ceil(from),
    to_at: Math.ceil(to),
  });
  const given = (spans: readonly Span[]) => dialect.given(spans.map(toRow), spanColumns);
  const inSpan = (column: string) => raw(`${column} >= given.from_at AND ${column} < given.to_at`);
  const ofRollups = sql`usage_rollups.scope = ${scope} AND usage_rollups.width_minutes = given.width AND ${inSpan('usage_rollups.starts_at')}`;
  const ofRows = inSpan('usage_stats.started_at');
  const rowsWhere = where === undefined ? raw('') : sql`AND ${where.ofRows}`;
  const rows = sql`SELECT ${raw(key?.ofRows ?? 'given.day')} AS group_key, ${dialect.array(single)} AS sums`;

  const arms: Sql[] = [];
  if (pieces.length > 0) {
    const sums = dialect.array(rolledUp);
    // Found once: joined, SQLite would index the series anew for every span.
    const isWanted =
      where === undefined
        ? raw('')
        : sql`AND usage_rollups.series_id IN (SELECT usage_series.id FROM usage_series WHERE ${where.ofSeries})`;
    arms.push(
      key === undefined
        ? sql`SELECT given.day AS group_key,
            (SELECT ${sums} FROM usage_rollups WHERE ${ofRollups} ${isWanted}) AS sums FROM ${given(pieces)}`
        : sql`SELECT ${raw(key.ofSeries)} AS group_key, ${sums} AS sums
          FROM ${given(pieces)} ${dialect.besideGiven('usage_rollups', ofRollups)}
          CROSS JOIN usage_series WHERE usage_series.id = usage_rollups.series_id ${isWanted} GROUP BY 1`,
    );
  }
  if (fresh.length > 0) {
    arms.push(sql`
      ${rows} FROM ${given(fresh)}
      ${dialect.besideGiven('usage_stats', sql`usage_stats.rolled_up = false AND ${ofRows}`, 'usage_stats_rolled_up_started_at_idx')}
      WHERE ${isNoCopy} ${rowsWhere} GROUP BY 1`);
  }
  if (edges.length > 0) {
    arms.push(sql`
      ${rows} FROM ${given(edges)} ${dialect.besideGiven('usage_stats', ofRows, 'usage_stats_started_at_idx')}
      WHERE (usage_stats.rolled_up OR ${isNoCopy}) ${rowsWhere} GROUP BY 1`);
  }
  return arms.length === 0 ? undefined : join(arms, ' UNION ALL ');
}
