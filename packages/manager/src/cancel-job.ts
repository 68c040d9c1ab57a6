import { setTimeout as delay } from 'node:timers/promises';
import { ModelManagerError, type RequestRecord } from '@aimm/contracts';
import { releaseBudget } from './budgets.ts';
import type { Resources } from './resources.ts';

const looks = 10;
const lookEveryMs = 50;

/** Ends a generation: a waiting job is removed and remembered as ended, a running one aborted by its worker. */
export async function cancelGeneration(resources: Resources, requestId: string, reason = cancelled()): Promise<void> {
  const { queue } = resources;
  for (let look = 1; ; look += 1) {
    const record = await queue.requests.find(requestId);
    if (record === undefined || record.ended !== undefined || record.cached !== undefined) return;
    if (await leaveFlight(resources, record)) return remember(resources, record, reason);
    const done = await queue.producer.cancel(record.queue, record.jobId, { asWhole: true });
    if (done === 'removed') return remember(resources, record, reason);
    // A fallback is about to be added for it, or it is to make the call itself that it waited for. It calls nobody in any case;
    // where its job comes soon, it is told so at once.
    const comesLater = done === 'moved' || (done === 'missing' && record.follows === true);
    if (!comesLater || look === looks) return;
    await delay(lookEveryMs);
  }
}

/** Ends a request that waits for another's call, and nothing else; where it does so no more, nothing happens. */
export async function endFollower(resources: Resources, requestId: string, reason: ModelManagerError): Promise<void> {
  const record = await resources.queue.requests.find(requestId);
  if (record !== undefined && (await leaveFlight(resources, record))) await remember(resources, record, reason);
}

/** Takes a request out that waits for another's call; the call and whoever else waits for it go on. */
export async function leaveFlight(
  { queue }: Resources,
  { requestId, follows, flight }: RequestRecord,
): Promise<boolean> {
  return follows === true && flight !== undefined && queue.flights.leave(flight.id, requestId);
}

/** The comparison, and whatever of it has not ended. */
export async function cancelComparison(resources: Resources, requestId: string): Promise<void> {
  const { queue } = resources;
  const record = await queue.requests.find(requestId);
  if (record === undefined || record.ended !== undefined) return;
  // What has answered, or runs, stays.
  const done = await queue.producer.cancel(record.queue, record.jobId);
  if (done === 'removed') await remember(resources, record, cancelled());
  const children = (record.children ?? []).map(({ requestId: childId }) => childId);
  // All at once: one after the other, the place that a running one gives up would go to one that waits.
  const cancelChild = async (childId: string) => {
    const childRecord = await queue.requests.find(childId);
    if (childRecord === undefined) return;
    const childDone = await queue.producer.cancel(childRecord.queue, childRecord.jobId, { asWhole: true });
    if (childDone === 'removed' || childDone === 'missing') await remember(resources, childRecord, cancelled());
  };
  await Promise.all((done === 'ended' ? children : [...children, toJudgeId(requestId)]).map(cancelChild));
}

/** The generation that judges a comparison; both halves of the id are the comparison's own, so it is found without a record of its own. */
export function toJudgeId(comparisonId: string): string {
  return comparisonId.replace(/^cmp_/, 'gen_');
}

/** What was removed leaves no trace in its queue: the record says how it ended, and whoever waits here is told at once. */
async function remember(resources: Resources, record: RequestRecord, reason: ModelManagerError): Promise<void> {
  const { queue } = resources;
  const status = reason.code === 'cancelled' ? 'cancelled' : 'failed';
  await queue.requests.update({ ...record, ended: { status, error: reason.toShape() } });
  queue.waiters.settle(record.requestId, { status: 'failed', error: reason.toShape() });
  await releaseBudget(resources, record);
  // Those who wait for the same call want it still.
  if (record.flight !== undefined && record.follows !== true)
    await queue.flights.passOn(record.flight, record.requestId);
}

function cancelled(): ModelManagerError {
  return new ModelManagerError('cancelled', 'The request was cancelled.');
}
