import { join, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerRepository } from './database.ts';

/** One number over an index on time: budgets ask it where their counters are gone. */
export async function sumCosts(
  client: Client,
  { from, to, provider, client: asker }: Parameters<LedgerRepository['sumCosts']>[0],
): Promise<number> {
  const conditions = [sql`started_at >= ${BigInt(Math.ceil(from))}`, sql`started_at < ${BigInt(Math.ceil(to))}`];
  if (provider !== undefined) conditions.push(sql`provider = ${provider}`);
  if (asker !== undefined) conditions.push(sql`client = ${asker}`);
  const [sum] = await client.$queryRaw<{ cost: bigint | number }[]>(sql`
    SELECT CAST(COALESCE(SUM(cost_nano_usd), 0) AS BIGINT) AS cost FROM usage_stats
    WHERE NOT demo AND ${join(conditions, ' AND ')}`);
  return Number(sum?.cost ?? 0);
}
