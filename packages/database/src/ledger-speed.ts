import { sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';

/** How fast a model answered lately: medians over its succeeded calls. */
export interface ModelSpeed {
  /** `provider/model`. */
  model: string;
  calls: number;
  /** From the call's start to its first text, milliseconds. */
  firstTokenMs: number;
  /** After that; absent where the answers were too short to tell. */
  tokensPerSecond?: number;
}

/** Newest calls that are looked at: enough for every model in use, and milliseconds of a synchronous database. */
const lookedAt = 3_000;
/** Fewer tokens arrive at once, and their time is that of the network. */
const leastTokens = 8;

/** From what providers themselves did since `from` (epoch milliseconds); what the cache or a stand-in answered says nothing of them. */
export async function measureSpeed(client: Client, from: number): Promise<ModelSpeed[]> {
  const rows = await client.$queryRaw<SpeedRow[]>(sql`
    WITH recent AS (
      SELECT provider || '/' || model AS model_name, first_token_ms,
             CASE WHEN output_tokens >= ${leastTokens} AND provider_ms > first_token_ms
                  THEN output_tokens * 1000.0 / (provider_ms - first_token_ms) END AS rate
      FROM usage_stats
      WHERE started_at >= ${BigInt(Math.ceil(from))} AND status = 'succeeded' AND first_token_ms IS NOT NULL
        AND NOT cached AND NOT demo
      ORDER BY started_at DESC LIMIT ${lookedAt}
    ),
    first_tokens AS (
      SELECT model_name, first_token_ms AS value,
             ROW_NUMBER() OVER (PARTITION BY model_name ORDER BY first_token_ms) AS place,
             COUNT(*) OVER (PARTITION BY model_name) AS total
      FROM recent
    ),
    rates AS (
      SELECT model_name, rate AS value,
             ROW_NUMBER() OVER (PARTITION BY model_name ORDER BY rate) AS place,
             COUNT(*) OVER (PARTITION BY model_name) AS total
      FROM recent WHERE rate IS NOT NULL
    )
    SELECT first_tokens.model_name, MAX(first_tokens.total) AS calls,
           MIN(CASE WHEN first_tokens.place * 2 >= first_tokens.total THEN first_tokens.value END) AS first_token_ms,
           (SELECT CAST(MIN(rates.value) AS DOUBLE PRECISION) FROM rates
            WHERE rates.model_name = first_tokens.model_name AND rates.place * 2 >= rates.total) AS rate
    FROM first_tokens GROUP BY first_tokens.model_name`);
  return rows.map(({ model_name, calls, first_token_ms, rate }) => ({
    model: model_name,
    calls: Number(calls),
    firstTokenMs: Number(first_token_ms),
    ...(rate !== null && { tokensPerSecond: Number(rate) }),
  }));
}

/** Whole numbers come as bigint or number, depending on the database. */
interface SpeedRow {
  model_name: string;
  calls: bigint | number;
  first_token_ms: bigint | number;
  rate: number | null;
}
