import { join, raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerRepository } from './database.ts';
import { selectUsage } from './ledger-arms.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { readInSpans } from './ledger-spans.ts';

/** One number: budgets ask it where their counters are gone. */
export async function sumCosts(
  client: Client,
  dialect: LedgerDialect,
  { from, to, provider, client: asker }: Parameters<LedgerRepository['sumCosts']>[0],
): Promise<number> {
  const filter = (table: 'usage_series' | 'usage_stats') => {
    const conditions = [sql`NOT ${raw(table)}.demo`];
    if (provider !== undefined) conditions.push(sql`${raw(table)}.provider = ${provider}`);
    if (asker !== undefined) conditions.push(sql`${raw(table)}.client = ${asker}`);
    return join(conditions, ' AND ');
  };
  const sum = (column: string) => raw(`CAST(COALESCE(SUM(${column}), 0) AS BIGINT) AS cost`);
  const { rows } = await readInSpans(client, { from, to, byDay: false }, (spans) =>
    selectUsage(dialect, spans, {
      rolledUp: sum('usage_rollups.cost_nano_usd'),
      // An answer from the cache costs nothing.
      single: sum('CASE WHEN NOT usage_stats.cached THEN usage_stats.cost_nano_usd END'),
      ofSeries: filter('usage_series'),
      ofRows: filter('usage_stats'),
      groupBy: raw(''),
    }),
  );
  return (rows as { cost: bigint | number }[]).reduce((total, { cost }) => total + Number(cost), 0);
}
