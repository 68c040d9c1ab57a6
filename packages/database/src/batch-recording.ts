import type { BatchRecord } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import { recordColumns, toRecordRow } from './batch-rows.ts';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';

/** One that failed and was asked again has cost what both have. */
const addCost =
  'cost_nano_usd = CASE WHEN given.cost_nano_usd IS NULL THEN NULLIF(batch_generations.cost_nano_usd, 0) ' +
  'ELSE given.cost_nano_usd + COALESCE(batch_generations.cost_nano_usd, 0) END';

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
  const values = Object.keys(recordColumns).filter((name) => ![...keys, 'cost_nano_usd'].includes(name));
  const set = [...values.map((name) => `${name} = given.${name}`), 'bytes = given.bytes', addCost].join(', ');
  const where = keys.map((name) => `batch_generations.${name} = given.${name}`).join(' AND ');
  const rows = [...new Map(records.map((record) => [record.requestId, record])).values()]
    .map(toRecordRow)
    // A judge that reads it carries it.
    .map((row) => ({ ...row, bytes: String(row.answer).length }))
    .toSorted((a, b) => (toOrder(a) < toOrder(b) ? -1 : 1));
  const costs = new Map(records.map(({ requestId, costNanoUsd }) => [requestId, costNanoUsd ?? 0]));
  return client.$transaction(async (transaction) => {
    const written = await transaction.$queryRaw<{ batch_id: string; request_id: string }[]>(sql`
      UPDATE batch_generations SET ${raw(set)}
      FROM ${dialect.given(rows, { ...recordColumns, bytes: 'integer' })}
      WHERE ${raw(where)} AND batch_generations.status = 'queued'
      RETURNING batch_generations.batch_id, batch_generations.request_id`);
    const spent = new Map<string, number>();
    for (const { batch_id: id, request_id: requestId } of written)
      spent.set(id, (spent.get(id) ?? 0) + (costs.get(requestId) ?? 0));
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
