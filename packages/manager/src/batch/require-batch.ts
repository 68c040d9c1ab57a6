import { ModelManagerError, RequestId } from '@aimm/contracts';
import type { BatchRepository, StoredBatch } from '@aimm/database';
import type { Caller } from '../manager.ts';
import type { Resources } from '../resources.ts';

/** The batch as its owner sees it; somebody else's is told apart from none by nothing. @throws invalid_request, unavailable */
export async function requireBatch(
  { database }: Pick<Resources, 'database'>,
  caller: Caller,
  batchId: string,
): Promise<{ batch: StoredBatch; batches: BatchRepository }> {
  const { batches } = await database.get();
  const batch = RequestId.safeParse(batchId).success ? await batches.find(batchId) : undefined;
  if (batch !== undefined && batch.status !== 'preparing' && (caller.admin || batch.client === caller.client))
    return { batch, batches };
  throw new ModelManagerError('invalid_request', `There is no batch "${batchId.slice(0, 60)}".`, {
    hint: 'job_id is what start_batch answered with, like bat_…; list_jobs with kind batch shows all.',
  });
}
