import type { BatchRecord } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import { recordColumns, toRecordRow, type Whole } from './batch-rows.ts';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';

/**
 * Writes how generations ended, in one transaction: rows that are queued under another id by now, or ended, stay as they are. What
 * they cost is added to their batch. Gives how many were written.
 */
export async function recordGenerations(
  client: Client,
  dialect: LedgerDialect,
  records: readonly BatchRecord[],
): Promise<number> {
  if (records.length === 0) return 0;
  const keys = ['batch_id', 'column_number', 'item', 'request_id'];
  const values = Object.keys(recordColumns).filter((name) => !keys.includes(name));
  const set = [...values.map((name) => `${name} = given.${name}`), 'bytes = given.bytes'].join(', ');
  const where = keys.map((name) => `batch_generations.${name} = given.${name}`).join(' AND ');
  const rows = [...new Map(records.map((record) => [record.requestId, record])).values()]
    .map(toRecordRow)
    // A judge that reads it carries it.
    .map((row) => ({ ...row, bytes: String(row.answer).length }))
    .toSorted((a, b) => (toOrder(a) < toOrder(b) ? -1 : 1));
  return client.$transaction(async (transaction) => {
    const written = await transaction.$queryRaw<{ batch_id: string; cost_nano_usd: Whole | null }[]>(sql`
      UPDATE batch_generations SET ${raw(set)}
      FROM ${dialect.given(rows, { ...recordColumns, bytes: 'integer' })}
      WHERE ${raw(where)} AND batch_generations.status = 'queued'
      RETURNING batch_generations.batch_id, batch_generations.cost_nano_usd`);
    const spent = new Map<string, number>();
    for (const { batch_id: id, cost_nano_usd: cost } of written)
      spent.set(id, (spent.get(id) ?? 0) + Number(cost ?? 0));
    // In one order, so that two writers wait for each other and never both.
    for (const [id, nanoUsd] of [...spent].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (nanoUsd === 0) continue;
      await transaction.$executeRaw(
        sql`UPDATE batches SET spent_nano_usd = spent_nano_usd + ${raw(String(nanoUsd))} WHERE id = ${id}`,
      );
    }
    return written.length;
  });
}

function toOrder({ batch_id: id, column_number: column, item }: ReturnType<typeof toRecordRow>): string {
  return `${String(id)} ${String(column).padStart(6, '0')} ${String(item).padStart(9, '0')}`;
}
