import type { BatchColumn, BatchGeneration } from '@aimm/contracts';
import { join, raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { BatchRepository, GenerationQuery, StoredBatch } from './batch-repository.ts';
import { type GenerationRow, toGeneration } from './batch-rows.ts';
import type { Client } from './client.ts';

type Page = Awaited<ReturnType<BatchRepository['generations']>>;

const fields = raw('g.item, g.column_number, i.item_id, g.status, g.request_id, g.cost_nano_usd, g.ended_at, g.answer');

/** A page by item, then column. What has no row waits, or is cancelled with its batch. */
export async function readGenerations(
  client: Client,
  batch: StoredBatch,
  columns: readonly BatchColumn[],
  query: GenerationQuery,
): Promise<Page> {
  const wanted = columns
    .map(({ number }) => number)
    .filter((number) => query.column === undefined || number === query.column);
  if (wanted.length === 0) return { generations: [] };
  const unfed = batch.status === 'cancelled' ? 'cancelled' : 'waiting';
  const isByRows = (query.status !== undefined && query.status !== unfed) || query.failedAssertions === true;
  return isByRows ? readRows(client, batch.id, wanted, query) : readMatrix(client, batch, wanted, query, unfed);
}

/** Only what has a row can be meant. */
async function readRows(
  client: Client,
  batchId: string,
  columns: readonly number[],
  query: GenerationQuery,
): Promise<Page> {
  const { after, limit, status, failedAssertions } = query;
  const rows = await client.$queryRaw<GenerationRow[]>(sql`
    SELECT ${fields} FROM batch_generations g
    JOIN batch_items i ON i.batch_id = g.batch_id AND i.number = g.item
    WHERE g.batch_id = ${batchId} AND g.column_number IN (${join(columns)})
      ${status === undefined ? raw('') : sql`AND g.status = ${status}`}
      ${failedAssertions === true ? raw('AND g.passed = false') : raw('')}
      ${after === undefined ? raw('') : sql`AND (g.item, g.column_number) > (${after.item}, ${after.column})`}
    ORDER BY g.item, g.column_number LIMIT ${limit + 1}`);
  return toPage(rows.map(toGeneration), limit);
}

async function readMatrix(
  client: Client,
  batch: StoredBatch,
  columns: readonly number[],
  { after, limit, status }: GenerationQuery,
  unfed: 'waiting' | 'cancelled',
): Promise<Page> {
  const bare = unfed === 'cancelled' ? { status: unfed, costNanoUsd: 0 } : { status: unfed };
  const found: BatchGeneration[] = [];
  // Of one status there may be few.
  const itemsAtOnce = status === undefined ? Math.min(1_000, Math.ceil(limit / columns.length) + 1) : 1_000;
  for (let from = after?.item ?? 0; from < batch.items && found.length <= limit; from += itemsAtOnce) {
    const [items, rows] = await Promise.all([
      client.batchItem.findMany({
        where: { batchId: batch.id, number: { gte: from, lt: from + itemsAtOnce } },
        orderBy: { number: 'asc' },
        select: { number: true, itemId: true },
      }),
      client.$queryRaw<GenerationRow[]>(sql`
        SELECT ${fields} FROM batch_generations g
        JOIN batch_items i ON i.batch_id = g.batch_id AND i.number = g.item
        WHERE g.batch_id = ${batch.id} AND g.column_number IN (${join([...columns])})
          AND g.item >= ${from} AND g.item < ${from + itemsAtOnce}`),
    ]);
    const known = new Map(rows.map((row) => [`${Number(row.item)} ${Number(row.column_number)}`, row]));
    for (const { number: item, itemId } of items) {
      for (const column of columns) {
        if (after !== undefined && item === after.item && column <= after.column) continue;
        const row = known.get(`${item} ${column}`);
        const generation = row === undefined ? { item, itemId, column, ...bare } : toGeneration(row);
        if (status === undefined || generation.status === status) found.push(generation);
      }
    }
  }
  return toPage(found, limit);
}

function toPage(found: BatchGeneration[], limit: number): Page {
  const generations = found.slice(0, limit);
  const last = generations.at(-1);
  return {
    generations,
    ...(found.length > limit && last !== undefined && { next: { item: last.item, column: last.column } }),
  };
}
