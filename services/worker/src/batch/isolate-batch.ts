import { type BatchRepository, type StoredBatch, UnreadableError } from '@aimm/database';
import type { Logger } from '@aimm/runtime';

/** Does something for one of many batches. One that cannot be read pauses, says why, and stops no other; what else goes wrong rises. */
export async function isolateBatch(
  { batches, logger }: { batches: Pick<BatchRepository, 'setStatus'>; logger: Logger },
  { id }: Pick<StoredBatch, 'id'>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    const pausedBecause = `${error.message} ${error.hint}`;
    if (await batches.setStatus(id, ['running'], 'paused', { pausedBecause }))
      logger.error({ batchId: id, err: error }, 'A batch that cannot be read was paused');
  }
}
