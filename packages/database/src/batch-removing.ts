import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { BatchRepository } from './batch-repository.ts';
import type { Client } from './client.ts';
import { inSteps, rowsAtOnce } from './in-steps.ts';

type Removing = Pick<BatchRepository, 'remove' | 'discard' | 'listEnded' | 'removeAbandoned'>;

/** Deletes batches: one that was not finished, one that has ended, and those that nobody goes on with. */
export function createBatchRemoving(client: Client): Removing {
  return {
    remove: (batchId) => removeBatch(client, batchId),

    async discard(batchId) {
      // As one that was never finished: from here on only `removeAbandoned` finds it.
      const count = await client.$executeRaw(sql`
        UPDATE batches SET status = 'preparing', touched_at = 0
        WHERE id = ${batchId} AND status IN ('completed', 'cancelled') AND ended_at IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM batch_submissions s WHERE s.batch_id = batches.id AND s.status <> 'ended')`);
      if (count === 0) return false;
      await removeBatch(client, batchId);
      return true;
    },

    async listEnded({ endedBefore, after, limit }) {
      const rows = await client.batch.findMany({
        where: {
          status: { in: ['completed', 'cancelled'] },
          endedAt: { lt: BigInt(Math.round(endedBefore)) },
          ...(after !== undefined && { id: { gt: after } }),
        },
        orderBy: { id: 'asc' },
        take: limit,
        select: { id: true },
      });
      return rows.map(({ id }) => id);
    },

    async removeAbandoned(touchedBefore) {
      const abandoned = await client.batch.findMany({
        where: { status: 'preparing', touchedAt: { lt: BigInt(Math.round(touchedBefore)) } },
        select: { id: true },
      });
      for (const { id } of abandoned) await removeBatch(client, id);
      return abandoned.length;
    },
  };
}

/** Items in pieces; what is left goes with the batch. */
async function removeBatch(client: Client, batchId: string): Promise<void> {
  for (const table of ['batch_generations', 'batch_items'] as const) {
    const key = raw(table === 'batch_items' ? 'number' : 'column_number, item');
    await inSteps(() =>
      client.$executeRaw(sql`
        DELETE FROM ${raw(table)} WHERE batch_id = ${batchId} AND (${key}) IN (
          SELECT ${key} FROM ${raw(table)} WHERE batch_id = ${batchId} LIMIT ${rowsAtOnce})`),
    );
  }
  await client.batch.deleteMany({ where: { id: batchId } });
}
