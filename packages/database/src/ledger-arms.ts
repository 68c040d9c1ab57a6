import { join, raw, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { LedgerDialect } from './ledger-dialects.ts';
import type { Span, UsageSpans } from './usage-spans.ts';

/** What is selected of a roll-up and of a single row, the same columns of both, and which of them count. */
export interface UsageArm {
  rolledUp: Sql;
  single: Sql;
  /** Over `usage_series`. */
  ofSeries: Sql;
  /** The same over `usage_stats`. */
  ofRows: Sql;
  groupBy: Sql;
}

const spanColumns = { day: 'text', width: 'integer', from_at: 'bigint', to_at: 'bigint' } as const;

/** A row that came again after it was deleted: it counts already, and the next roll-up removes it. */
const isNoCopy = raw(`NOT EXISTS (SELECT 1 FROM usage_tombstones
  WHERE usage_tombstones.request_id = usage_stats.request_id AND usage_tombstones.call_number = usage_stats.call_number)`);

/**
 * Everything in the spans, in one statement, which sees the database at one moment: a row that is being rolled up meanwhile is seen
 * in its roll-up or by itself, and never in both. What is selected may name its span `given`.
 */
export function selectUsage(
  dialect: LedgerDialect,
  { pieces, fresh, edges }: UsageSpans,
  arm: UsageArm,
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
  const ofRollups = sql`usage_rollups.width_minutes = given.width AND ${inSpan('usage_rollups.starts_at')}`;
  const ofRows = inSpan('usage_stats.started_at');
  const arms: Sql[] = [];
  if (pieces.length > 0) {
    arms.push(sql`
      SELECT ${arm.rolledUp} FROM ${given(pieces)} ${dialect.besideGiven('usage_rollups', ofRollups)}
      CROSS JOIN usage_series WHERE usage_series.id = usage_rollups.series_id AND ${arm.ofSeries} ${arm.groupBy}`);
  }
  if (fresh.length > 0) {
    arms.push(sql`
      SELECT ${arm.single} FROM ${given(fresh)}
      ${dialect.besideGiven('usage_stats', sql`NOT usage_stats.rolled_up AND ${ofRows}`)}
      WHERE ${isNoCopy} AND ${arm.ofRows} ${arm.groupBy}`);
  }
  if (edges.length > 0) {
    arms.push(sql`
      SELECT ${arm.single} FROM ${given(edges)} ${dialect.besideGiven('usage_stats', ofRows)}
      WHERE (usage_stats.rolled_up OR ${isNoCopy}) AND ${arm.ofRows} ${arm.groupBy}`);
  }
  return arms.length === 0 ? undefined : join(arms, ' UNION ALL ');
}
