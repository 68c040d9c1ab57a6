import { ModelManagerError, type RequestRecord } from '@aimm/contracts';
import type { Resources } from './resources.ts';

/** Ends a generation: a waiting job is removed and remembered as ended, a running one aborted by its worker. */
export async function cancelGeneration({ queue }: Resources, requestId: string, reason = cancelled()): Promise<void> {
  const record = await queue.requests.find(requestId);
  if (record === undefined || record.ended !== undefined) return;
  const done = await queue.producer.cancel(record.queue, record.jobId);
  if (done === 'removed') await remember(queue, record, reason);
}

/** Its generations first, so that none is left when the comparison is told. */
export async function cancelComparison(resources: Resources, requestId: string): Promise<void> {
  const { queue } = resources;
  const record = await queue.requests.find(requestId);
  if (record === undefined || record.ended !== undefined) return;
  // Marks the comparison, and takes it away with its generations where none of them runs yet.
  const done = await queue.producer.cancel(record.queue, record.jobId);
  if (done === 'removed') await remember(queue, record, cancelled());
  const children = (record.children ?? []).map(({ requestId: childId }) => childId);
  // All at once: one after the other, the place that a running one gives up would go to one that waits.
  const cancelChild = async (childId: string) => {
    const childRecord = await queue.requests.find(childId);
    if (childRecord === undefined) return;
    const childDone = await queue.producer.cancel(childRecord.queue, childRecord.jobId);
    if (childDone === 'removed' || childDone === 'missing') await remember(queue, childRecord, cancelled());
  };
  await Promise.all((done === 'ended' ? children : [...children, toJudgeId(requestId)]).map(cancelChild));
}

/** The generation that judges a comparison; both halves of the id are the comparison's own, so it is found without a record of its own. */
export function toJudgeId(comparisonId: string): string {
  return comparisonId.replace(/^cmp_/, 'gen_');
}

/** What was removed leaves no trace in its queue: the record says how it ended, and whoever waits here is told at once. */
async function remember(queue: Resources['queue'], record: RequestRecord, reason: ModelManagerError): Promise<void> {
  const status = reason.code === 'cancelled' ? 'cancelled' : 'failed';
  await queue.requests.update({ ...record, ended: { status, error: reason.toShape() } });
  queue.waiters.settle(record.requestId, { status: 'failed', error: reason.toShape() });
}

function cancelled(): ModelManagerError {
  return new ModelManagerError('cancelled', 'The request was cancelled.');
}
