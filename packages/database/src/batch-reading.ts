import { BatchGenerationStatus } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { sqltag as sql } from '@prisma/client/runtime/client';
import type { Batch } from '../generated/sqlite/client.ts';
import type { BatchRepository, StoredBatch } from './batch-repository.ts';
import { parseItem, toStoredBatch, toStoredColumn, type Whole } from './batch-rows.ts';
import type { Client } from './client.ts';
import { UnreadableError } from './readable.ts';

type Reading = Pick<
  BatchRepository,
  'find' | 'list' | 'columns' | 'counts' | 'items' | 'listLive' | 'outstanding' | 'listQueued'
>;

/** Of a row of `batches`. */
export const nothingLeft = sql`
  NOT EXISTS (SELECT 1 FROM batch_columns c WHERE c.batch_id = batches.id AND c.next_item < batches.item_count)
  AND NOT EXISTS (SELECT 1 FROM batch_generations g WHERE g.batch_id = batches.id AND g.status IN ('waiting', 'queued'))`;

/** Reads batches and how far they are; their results are read in `batch-pages.ts` and `batch-summary.ts`. */
export function createBatchReading(client: Client, logger?: Logger): Reading {
  const told = new Set<string>();
  /** One that cannot be read is no reason not to see the others. */
  const toReadable = (rows: readonly Batch[]): StoredBatch[] =>
    rows.flatMap((row) => {
      try {
        return [toStoredBatch(row)];
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        if (!told.has(row.id))
          logger?.error({ batchId: row.id, err: error }, 'A batch cannot be read and is left alone');
        told.add(row.id);
        return [];
      }
    });

  return {
    async find(batchId) {
      const row = await client.batch.findUnique({ where: { id: batchId } });
      return row === null ? undefined : toStoredBatch(row);
    },

    async list({ client: owner, statuses, before, limit }) {
      const found: StoredBatch[] = [];
      for (let last = before; ;) {
        const wanted = limit - found.length;
        const rows = await client.batch.findMany({
          where: {
            ...(owner !== undefined && { client: owner }),
            ...(last !== undefined && { id: { lt: last } }),
            status: statuses === undefined ? { not: 'preparing' } : { in: [...statuses] },
          },
          orderBy: { id: 'desc' },
          take: wanted,
        });
        found.push(...toReadable(rows));
        if (rows.length < wanted || found.length >= limit) return found;
        last = rows.at(-1)?.id;
      }
    },

    async columns(batchId) {
      const rows = await client.batchColumn.findMany({ where: { batchId }, orderBy: { number: 'asc' } });
      return rows.map(toStoredColumn);
    },

    async counts(batchId) {
      const rows = await client.$queryRaw<{ column_number: Whole; status: string; count: Whole }[]>(sql`
        SELECT column_number, status, COUNT(*) AS count FROM batch_generations
        WHERE batch_id = ${batchId} GROUP BY status, column_number`);
      return rows.map(({ column_number: column, status, count }) => ({
        column: Number(column),
        status: BatchGenerationStatus.parse(status),
        count: Number(count),
      }));
    },

    async items(batchId, from, limit) {
      const rows = await client.batchItem.findMany({
        where: { batchId, number: { gte: from } },
        orderBy: { number: 'asc' },
        take: limit,
        select: { number: true, content: true },
      });
      return rows.map(({ number, content }) => ({ number, content: parseItem(batchId, number, content) }));
    },

    async listLive(time) {
      const over = await client.$queryRaw<{ id: string }[]>(sql`
        SELECT id FROM batches WHERE status = 'paused' AND ${nothingLeft}`);
      const rows = await client.batch.findMany({
        where: {
          OR: [
            { status: 'running' },
            { status: 'cancelled', endedAt: null },
            { status: 'paused', resumeAt: { lte: BigInt(Math.round(time)) } },
            { status: 'paused', generations: { some: { status: 'queued' } } },
            { id: { in: over.map(({ id }) => id) } },
          ],
        },
        orderBy: { id: 'asc' },
      });
      return toReadable(rows);
    },

    async outstanding(batchId) {
      const rows = await client.$queryRaw<{ column_number: Whole; count: Whole; bytes: Whole | null }[]>(sql`
        SELECT column_number, COUNT(*) AS count, SUM(bytes) AS bytes FROM batch_generations
        WHERE batch_id = ${batchId} AND status = 'queued' GROUP BY column_number`);
      return rows.map(({ column_number: column, count, bytes }) => ({
        column: Number(column),
        count: Number(count),
        bytes: Number(bytes ?? 0),
      }));
    },

    async listQueued(batchId, { queuedBefore, limit, columns, after }) {
      const rows = await client.batchGeneration.findMany({
        where: {
          batchId,
          status: 'queued',
          queuedAt: { lt: BigInt(Math.round(queuedBefore)) },
          ...(columns !== undefined && { columnNumber: { in: [...columns] } }),
          ...(after !== undefined && {
            OR: [{ columnNumber: { gt: after.column } }, { columnNumber: after.column, item: { gt: after.item } }],
          }),
        },
        orderBy: [{ columnNumber: 'asc' }, { item: 'asc' }],
        take: limit,
        select: { item: true, columnNumber: true, requestId: true, queuedAt: true },
      });
      return rows.map(({ item, columnNumber, requestId, queuedAt }) => ({
        item,
        column: columnNumber,
        requestId: requestId ?? '',
        queuedAt: Number(queuedAt),
      }));
    },
  };
}
