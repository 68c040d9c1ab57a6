import type { BatchRepository, QueuedGeneration } from '@aimm/database';

const pageSize = 1_000;

/**
 * All of these columns that says “queued” since before that time, in epoch milliseconds, a page at a time: SQLite answers before
 * it returns, and what waits for a slow provider hides nothing that stands behind it.
 */
export async function* queuedPages(
  batches: Pick<BatchRepository, 'listQueued'>,
  batchId: string,
  { columns, queuedBefore }: { columns: readonly number[]; queuedBefore: number },
): AsyncGenerator<QueuedGeneration[]> {
  for (let after: QueuedGeneration | undefined; ;) {
    const page = await batches.listQueued(batchId, { queuedBefore, limit: pageSize, columns, after });
    if (page.length > 0) yield page;
    after = page.at(-1);
    if (page.length < pageSize) return;
  }
}
