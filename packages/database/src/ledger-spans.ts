import { type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { UsageRow } from './ledger-arms.ts';
import { toRollupEdge, toUsageSpans, type UsageSpans } from './usage-spans.ts';

interface Bounds {
  first: number;
  last: number;
  deletedBefore: number;
}

/**
 * What `select` finds in a span. Rows that are deleted between a look at what is deleted and the statement would be missing: then
 * it is asked once more.
 */
export async function readInSpans(
  client: Client,
  query: { from: number; to: number; timeZone?: string | undefined; byDay: boolean },
  select: (spans: UsageSpans) => Sql | undefined,
): Promise<{ rows: UsageRow[]; from: number; to: number; widened: boolean }> {
  let bounds = await readBounds(client);
  for (;;) {
    const spans = toUsageSpans(withinBounds(query, bounds), bounds.deletedBefore);
    const statement = select(spans);
    const rows = statement === undefined ? [] : await client.$queryRaw<UsageRow[]>(statement);
    const now = await readBounds(client);
    const isCut = spans.edges.some(({ from }) => from < now.deletedBefore);
    if (!isCut || now.deletedBefore === bounds.deletedBefore) return { rows, ...toCounted(query, spans) };
    bounds = now;
  }
}

/** A span from the beginning of time has no end of pieces. */
function withinBounds<Query extends { from: number; to: number }>(query: Query, { first, last }: Bounds): Query {
  return { ...query, from: Math.max(query.from, first), to: Math.min(query.to, last) };
}

function toCounted(query: { from: number; to: number }, { fresh, widened }: UsageSpans) {
  if (!widened) return { from: query.from, to: query.to, widened };
  const starts = fresh.map(({ from }) => from);
  const ends = fresh.map(({ to }) => to);
  return { from: Math.min(query.from, ...starts), to: Math.max(query.to, ...ends), widened };
}

const dayMs = 86_400_000;

async function readBounds(client: Client): Promise<Bounds> {
  const [found] = await client.$queryRaw<Record<string, bigint | number | null>[]>(sql`
    SELECT (SELECT MIN(started_at) FROM usage_stats) AS first_row, (SELECT MAX(started_at) FROM usage_stats) AS last_row,
           (SELECT MIN(starts_at) FROM usage_rollups WHERE scope = 'all' AND width_minutes = 1440) AS first_day,
           (SELECT MAX(starts_at) FROM usage_rollups WHERE scope = 'all' AND width_minutes = 1440) AS last_day,
           (SELECT deleted_before FROM usage_retention WHERE id = 1) AS deleted_before`);
  const read = (name: string, absent: number) => Number(found?.[name] ?? absent);
  const first = Math.min(read('first_row', Number.MAX_SAFE_INTEGER), read('first_day', Number.MAX_SAFE_INTEGER));
  const last = Math.max(read('last_row', 0), read('last_day', -dayMs) + dayMs);
  return { first: toRollupEdge(first), last: toRollupEdge(last) + dayMs, deletedBefore: read('deleted_before', 0) };
}
