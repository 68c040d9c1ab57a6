import { sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { givenNames, lockRollups } from './ledger-rollup.ts';
import { toRollupEdge } from './usage-spans.ts';

/** A copy of a deleted row can come as long as the queue holds it: jobs are kept for days there. */
const tombstonesForMs = 30 * 86_400_000;

/**
 * Deletes up to `limit` rows that began before `before` and are rolled up, and remembers their names for 30 days, so that one that is
 * recorded again is not counted again. Gives how many were deleted.
 */
export async function deleteRolledUp(
  client: Client,
  dialect: LedgerDialect,
  { before, limit }: { before: number; limit: number },
  now: number,
): Promise<number> {
  const edge = BigInt(toRollupEdge(before));
  return client.$transaction(async (transaction) => {
    if (!(await lockRollups(transaction, dialect))) return 0;
    await transaction.$executeRaw(sql`
      DELETE FROM usage_tombstones WHERE (request_id, call_number) IN (
        SELECT request_id, call_number FROM usage_tombstones WHERE deleted_at < ${BigInt(now - tombstonesForMs)} LIMIT ${limit})`);
    const rows = await transaction.$queryRaw<{ request_id: string; call_number: bigint | number }[]>(sql`
      SELECT request_id, call_number FROM usage_stats
      WHERE started_at < ${edge} AND rolled_up = true ORDER BY started_at LIMIT ${limit}`);
    if (rows.length === 0) return 0;
    await transaction.$executeRaw(sql`
      INSERT INTO usage_retention (id, deleted_before) VALUES (1, ${edge})
      ON CONFLICT (id) DO UPDATE SET deleted_before = excluded.deleted_before
      WHERE usage_retention.deleted_before < excluded.deleted_before`);
    await transaction.$executeRaw(sql`
      INSERT INTO usage_tombstones (request_id, call_number, deleted_at)
      SELECT request_id, call_number, ${BigInt(now)} FROM ${givenNames(dialect, rows)} WHERE true
      ON CONFLICT (request_id, call_number) DO NOTHING`);
    await transaction.$executeRaw(sql`
      DELETE FROM usage_stats
      WHERE (request_id, call_number) IN (SELECT request_id, call_number FROM ${givenNames(dialect, rows)})`);
    return rows.length;
  });
}
