import { Checkpoint, ComparePayload, GeneratePayload, type LedgerRow } from '@aimm/contracts';
import {
  fromReason,
  type Producer,
  type Redis,
  type Requests,
  settleAbandonedJob,
  type Settlement,
  toGivenUp,
  type UnsettledJobs,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import type { BatchRecorder } from './batch/batch-recorder.ts';
import { findSuccessor } from './find-successor.ts';
import { toOwedRows } from './ledger-rows.ts';
import type { LedgerWriter } from './ledger-writer.ts';

/** A job that ended without its handler. */
export interface PoisonedJob {
  queue: string;
  jobId: string;
  payload: unknown;
  /** BullMQ's word for it. */
  failedReason: string;
}

export type PoisonSettler = (job: PoisonedJob, options?: { isInNoList?: boolean }) => Promise<void>;

/**
 * Settles a job that BullMQ failed by itself, mostly because it kept stopping its workers: the client is told, its budgets
 * are settled, and its calls are in the ledger. Harmless where that was done before. One that had succeeded by then runs
 * once more, finds so, and is completed; one whose request went on elsewhere has that job added, should it be missing.
 */
export function createPoisonSettler({
  redis,
  unsettled,
  ledger,
  batches,
  producer,
  requests,
  settlement,
  isDemo,
  keepMs,
  onHidden,
  logger,
}: {
  redis: Redis;
  unsettled: Pick<UnsettledJobs, 'forget'>;
  ledger: Pick<LedgerWriter, 'record'>;
  batches: Pick<BatchRecorder, 'record'>;
  producer: Pick<Producer, 'addGeneration' | 'runAgain'>;
  requests: Pick<Requests, 'find'>;
  settlement: Settlement;
  isDemo: () => boolean;
  /** How long a job stays that BullMQ will never remove; default: as long as any. */
  keepMs?: number | undefined;
  /** Told, once, of each call that nobody will ever know the end of. */
  onHidden?: (row: LedgerRow) => void;
  logger: Logger;
}): PoisonSettler {
  return async ({ queue, jobId, payload, failedReason }, options) => {
    const generation = GeneratePayload.safeParse(payload).data;
    const asked = generation ?? ComparePayload.safeParse(payload).data;
    const { wasFresh, inForce, checkpoint } = await settleAbandonedJob(
      redis,
      {
        queue,
        jobId,
        error: options?.isInNoList === true ? toGivenUp() : fromReason(failedReason),
        replyTo: asked?.replyTo,
        requestId: asked?.requestId ?? jobId,
      },
      { ...options, ...(keepMs !== undefined && { keepMs }) },
    );
    const left = checkpoint === undefined ? undefined : Checkpoint.parse(JSON.parse(checkpoint));
    const rows =
      generation === undefined ? [] : toOwedRows(generation, left, isDemo(), wasFresh ? onHidden : undefined);
    if (asked !== undefined) {
      await settlement(asked, {
        outcome: inForce,
        ...(left !== undefined && { checkpoint: { ...left, rows } }),
        maxReplyBytes: 0,
      });
    }
    await ledger.record(rows);
    if (generation !== undefined) await batches.record(generation, inForce, rows);
    // Its request had gone on elsewhere: nobody else looks after this job any more.
    const next =
      generation === undefined || inForce.status === 'succeeded'
        ? undefined
        : await findSuccessor(requests, generation, inForce, left ?? { calls: [], rows: [] });
    if (next !== undefined) await producer.addGeneration(next);
    const hadSucceeded = inForce.status === 'succeeded' && (await producer.runAgain(queue, jobId));
    await unsettled.forget({ queue, jobId, checkpoint });
    if (hadSucceeded) logger.warn({ queue, jobId }, 'A job that was given up had succeeded: it is completed');
    if (wasFresh) logger.warn({ queue, jobId, rows: rows.length }, 'Settled a job that was given up');
  };
}
