import type { Handler } from '@aimm/queue';
import type { BatchRecorder } from '../batch/batch-recorder.ts';
import { waitForDatabase } from '../database-away.ts';

/** Brings the result of a batch's generation to a database that was down when it came; tries until it takes it. */
export function createPersistBatch(recorder: Pick<BatchRecorder, 'recordNow'>): Handler<'persist-batch'> {
  return async ({ record }) => {
    try {
      return { value: { written: await recorder.recordNow(record) } };
    } catch (cause) {
      throw waitForDatabase('The database takes no results of batches yet.', cause);
    }
  };
}
