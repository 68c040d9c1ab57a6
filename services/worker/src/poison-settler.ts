import { Checkpoint, GeneratePayload, ModelManagerError } from '@aimm/contracts';
import { type Redis, settleAbandonedJob, type Settlement } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { toUnknownRow } from './ledger-rows.ts';
import type { LedgerWriter } from './ledger-writer.ts';

/** Settles a job that was given up because it kept stopping its workers: the client is told, and its calls are in the ledger. */
export function createPoisonSettler({
  redis,
  ledger,
  settlement,
  logger,
}: {
  redis: Redis;
  ledger: LedgerWriter;
  settlement: Settlement;
  logger: Logger;
}) {
  return async ({ queue, jobId, payload }: { queue: string; jobId: string; payload: unknown }): Promise<void> => {
    const generation = GeneratePayload.safeParse(payload).data;
    const error = new ModelManagerError(
      'outcome_unknown',
      'The request was given up: its workers stopped again and again while they ran it.',
      {
        hint: 'The worker logs say why. Usage shows the calls that were made.',
      },
    );
    const checkpointJson = await settleAbandonedJob(redis, {
      queue,
      jobId,
      error: error.toShape(),
      replyTo: generation?.replyTo,
      requestId: generation?.requestId ?? jobId,
    });
    if (generation === undefined) return;
    const checkpoint = checkpointJson === undefined ? undefined : Checkpoint.parse(JSON.parse(checkpointJson));
    const { calls, rows } = checkpoint ?? { calls: [], rows: [] };
    const hidden = calls
      .filter(({ state }) => state === 'started')
      .map((call) => toUnknownRow(generation, { ...call, demo: false }));
    const all = [...rows, ...hidden];
    await settlement(generation, {
      outcome: { status: 'failed', error: error.toShape() },
      ...(checkpoint !== undefined && { checkpoint: { ...checkpoint, rows: all } }),
      maxReplyBytes: 0,
    });
    await ledger.record(all);
    logger.warn({ jobId, calls: calls.length }, 'Settled a job that was given up');
  };
}
