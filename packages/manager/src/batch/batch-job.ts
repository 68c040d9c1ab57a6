import { setTimeout as delay } from 'node:timers/promises';
import { type BatchStatus, type RequestStatus, sumCounts } from '@aimm/contracts';
import type { Caller } from '../caller.ts';
import { isUnavailable } from '../is-unavailable.ts';
import type { JobOptions, JobView } from '../job-views.ts';
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
  const isOver = () => resources.now() >= until || signal?.aborted === true;
  for (let isKnown = false; ;) {
    try {
      const { batch, batches } = await requireBatch(resources, caller, batchId);
      if (batch.status !== 'running' || isOver()) return await readJob(resources, caller, batchId, { cursor, limit });
      isKnown = true;
      if (onProgress !== undefined) {
        const counts = await countBatch(batches, batch, (await batches.columns(batchId)).length);
        const total = sumCounts(counts);
        const done = total - counts.waiting - counts.queued;
        onProgress({ type: 'batch', done, failed: counts.failed, total });
      }
    } catch (error) {
      // The batch goes on, whoever can be asked how.
      if (!isKnown || isOver() || !isUnavailable(error)) throw error;
    }
    await delay(Math.min(lookEveryMs, Math.max(1, until - resources.now())));
  }
}

async function readJob(
  resources: Resources,
  caller: Caller,
  batchId: string,
  query: Pick<JobOptions, 'cursor' | 'limit'>,
): Promise<JobView> {
  const [batch, page] = await Promise.all([
    readBatch(resources, caller, batchId),
    listBatchGenerations(resources, caller, batchId, query),
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
