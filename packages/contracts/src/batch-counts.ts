import { type BatchCounts, BatchGenerationStatus } from './batches.ts';

/** The counts of several columns in one; of none, zeros. */
export function addCounts(all: readonly BatchCounts[]): BatchCounts {
  const total: BatchCounts = { waiting: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
  for (const counts of all) for (const status of BatchGenerationStatus.options) total[status] += counts[status];
  return total;
}

/** All there are, in whatever state. */
export function sumCounts(counts: BatchCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Those of which nothing more will come. */
export function countEnded({ succeeded, failed, cancelled, skipped }: BatchCounts): number {
  return succeeded + failed + cancelled + skipped;
}
