import { Checkpoint, GeneratePayload, ModelManagerError } from '@aimm/contracts';
import { type Redis, settleAbandonedJob } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { toUnknownRow } from './ledger-rows.ts';
import type { LedgerWriter } from './ledger-writer.ts';

/** Settles a job that was given up because it kept stopping its workers: the client is told, and its calls are in the ledger. */
export function createPoisonSettler({ redis, ledger, logger }: { redis: Redis; ledger: LedgerWriter; logger: Logger }) {
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
    if (generation === undefined || checkpointJson === undefined) return;
    const { calls, rows } = Checkpoint.parse(JSON.parse(checkpointJson));
    const hidden = calls
      .filter(({ state }) => state === 'started')
      .map((call) => toUnknownRow(generation, { ...call, demo: false }));
    await ledger.record([...rows, ...hidden]);
    logger.warn({ jobId, calls: calls.length }, 'Settled a job that was given up');
  };
}
