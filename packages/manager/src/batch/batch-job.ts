import { setTimeout as delay } from 'node:timers/promises';
import { type BatchStatus, type RequestStatus, sumCounts } from '@aimm/contracts';
import type { Caller, JobOptions, JobView } from '../manager.ts';
import type { Resources } from '../resources.ts';
import { countBatch, listBatchGenerations, readBatch } from './read-batch.ts';
import { requireBatch } from './require-batch.ts';

const lookEveryMs = 500;

/** A batch as a job: how it stands, and a page of its results. Waits up to `waitMs` for its end, or until it pauses. */
export async function getBatchJob(
  resources: Resources,
  caller: Caller,
  batchId: string,
  { waitMs = 0, cursor, limit, signal, onProgress }: JobOptions,
): Promise<JobView> {
  const until = resources.now() + waitMs;
  for (;;) {
    const { batch, batches } = await requireBatch(resources, caller, batchId);
    if (batch.status !== 'running' || resources.now() >= until || signal?.aborted === true) break;
    if (onProgress !== undefined) {
      const counts = await countBatch(batches, batch, (await batches.columns(batchId)).length);
      const total = sumCounts(counts);
      const done = total - counts.waiting - counts.queued;
      onProgress({ type: 'batch', done, failed: counts.failed, total });
    }
    await delay(Math.min(lookEveryMs, Math.max(1, until - resources.now())));
  }
  const [batch, page] = await Promise.all([
    readBatch(resources, caller, batchId),
    listBatchGenerations(resources, caller, batchId, { cursor, limit }),
  ]);
  return {
    requestId: batchId,
    kind: 'batch',
    status: toRequestStatus(batch.status),
    createdAt: batch.createdAt,
    batch,
    ...page,
  };
}

/** One that is paused goes on some time. */
export function toRequestStatus(status: BatchStatus): RequestStatus {
  switch (status) {
    case 'running':
    case 'paused':
      return 'running';
    case 'completed':
      return 'succeeded';
    case 'cancelled':
      return 'cancelled';
  }
}
