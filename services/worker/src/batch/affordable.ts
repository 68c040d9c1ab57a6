import type { BatchRepository, StoredBatch, StoredColumn } from '@aimm/database';
import { formatCost } from '@aimm/runtime/format';

/** What of a batch is asked and not answered yet, by the number of its column. */
type Outstanding = ReadonlyMap<number, { count: number }>;

/** How many more the most that the batch may cost has room for; undefined where it sets no limit. */
export function findAffordable(
  { batch, columns, outstanding }: { batch: StoredBatch; columns: readonly StoredColumn[]; outstanding: Outstanding },
  column: StoredColumn,
): number | undefined {
  if (batch.maxCostNanoUsd === undefined) return undefined;
  const underWay = columns.reduce(
    (sum, { number, template }) => sum + (outstanding.get(number)?.count ?? 0) * (template.expectedNanoUsd ?? 0),
    0,
  );
  const left = batch.maxCostNanoUsd - batch.spentNanoUsd - underWay;
  const each = column.template.expectedNanoUsd ?? 0;
  if (each === 0) return left > 0 || batch.spentNanoUsd === 0 ? Number.POSITIVE_INFINITY : 0;
  return Math.max(0, Math.floor(left / each + rounding));
}

/** What one costs is a total divided by how many: that total divided by it again may lack the last digit of being as many. */
const rounding = 1e-6;

/** Whether the column has anything left to ask: one that has not must not pause a batch that others go on with. */
export async function hasMore(
  batches: Pick<BatchRepository, 'counts'>,
  { id, items }: StoredBatch,
  { number, nextItem }: StoredColumn,
): Promise<boolean> {
  if (nextItem < items) return true;
  const counts = await batches.counts(id);
  return counts.some(({ column, status }) => column === number && status === 'waiting');
}

/** Why a batch pauses whose next answer would cost more than is left. */
export function explainMaxCost({ maxCostNanoUsd = 0, spentNanoUsd }: StoredBatch, { template }: StoredColumn): string {
  const next =
    template.expectedNanoUsd === null
      ? ''
      : `, and the next answer may cost about ${formatCost(template.expectedNanoUsd)}`;
  return (
    `It may cost ${formatCost(maxCostNanoUsd)} at most: ${formatCost(spentNanoUsd)} is spent${next}. ` +
    'Resume it with a higher limit to go on.'
  );
}
