import { join, raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerRepository } from './database.ts';
import { selectUsage } from './ledger-arms.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { readInSpans } from './ledger-spans.ts';
import { toAddend } from './usage-columns.ts';

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
  const { rows } = await readInSpans(client, { from, to, byDay: false }, (spans) =>
    selectUsage(dialect, spans, {
      scope: 'series',
      rolledUp: ['CAST(SUM(usage_rollups.cost_nano_usd) AS BIGINT)'],
      single: [`CAST(SUM(${toAddend('cost_nano_usd')}) AS BIGINT)`],
      where: { ofSeries: filter('usage_series'), ofRows: filter('usage_stats') },
    }),
  );
  // Written by the database, as an array of one number or null.
  return rows.reduce((total, { sums }) => total + ((JSON.parse(sums) as [number | null])[0] ?? 0), 0);
}
