import type { Database, StoredBatch, StoredColumn, StoredSubmission } from '@aimm/database';
import { findEndpoint } from './find-endpoint.ts';
import type { StepContext } from './keeper-options.ts';

/** Rows of one transaction: SQLite answers before it returns. */
const takenAtOnce = 250;

/** Makes submissions of what waits in columns that go to vendors' batch APIs, of batches that run. */
export async function fillSubmissions(
  context: StepContext,
  served: readonly string[],
  { sweeps }: { sweeps: boolean },
): Promise<void> {
  const { database, providers, pace } = context;
  const open = await database.batchSubmissions.listOpen(served);
  const counts = new Map<string, number>();
  for (const { provider } of open) counts.set(provider, (counts.get(provider) ?? 0) + 1);
  for (const batch of await database.batches.listLive(context.now())) {
    const columns = await database.batches.columns(batch.id);
    for (const column of columns.filter(goesToVendor)) {
      if (!served.includes(column.provider) || findEndpoint(providers, column.provider) === undefined) continue;
      if (sweeps) await putLostBack(context, batch, column);
      if (batch.status !== 'running') continue;
      for (let open = counts.get(column.provider) ?? 0; open < pace.maxOpen; open += 1) {
        if (!(await takeSubmission(context, batch, column))) break;
        counts.set(column.provider, open + 1);
      }
    }
  }
}

/** A judge reads answers as they come: it is asked by the workers. */
function goesToVendor({ lane, judges }: StoredColumn): boolean {
  return lane === 'provider_batch' && judges === undefined;
}

/** False where nothing waited, or may be asked now. */
async function takeSubmission(context: StepContext, batch: StoredBatch, column: StoredColumn): Promise<boolean> {
  const { database, pace, providers, now } = context;
  const allowed = (await context.allowance?.(batch, column)) ?? pace.maxRequests;
  if (allowed < 1) return false;
  const limits = findEndpoint(providers, column.provider)?.endpoint.limits;
  const requests: StoredSubmission['requests'] = [];
  const limit = Math.min(allowed, pace.maxRequests, limits?.maxRequests ?? 0);
  // Of what users wrote; what goes out of it is weighed before it does.
  let bytesLeft = Math.min(pace.maxBytes, (limits?.maxBytes ?? 0) / 2);
  while (requests.length < limit && bytesLeft > 0) {
    const { taken } = await database.batches.take(batch.id, column, {
      limit: Math.min(takenAtOnce, limit - requests.length),
      maxBytes: bytesLeft,
      createId: context.createRequestId,
      at: now(),
    });
    if (taken.length === 0) break;
    for (const { item, requestId, content } of taken) {
      requests.push({ item, requestId });
      bytesLeft -= JSON.stringify(content).length;
    }
  }
  if (requests.length === 0) return false;
  const id = context.createSubmissionId();
  await database.batchSubmissions.create({
    id,
    batchId: batch.id,
    column: column.number,
    provider: column.provider,
    model: column.model,
    round: 1,
    requests,
    nextAt: now(),
  });
  context.logger.info(
    { submission: id, batchId: batch.id, requests: requests.length },
    'Prepared a batch for a vendor',
  );
  return true;
}

/** Those that were taken by somebody who died before they stood in a submission. */
async function putLostBack(
  { database, pace, now, logger }: { database: Database } & Pick<StepContext, 'pace' | 'now' | 'logger'>,
  batch: StoredBatch,
  column: StoredColumn,
): Promise<void> {
  const queuedBefore = now() - pace.lostAfterMs;
  const limit = pace.maxRequests * pace.maxOpen;
  const own = await database.batches.listQueued(batch.id, { queuedBefore, limit, columns: [column.number] });
  if (own.length === 0) return;
  const held = await database.batchSubmissions.heldRequests(batch.id);
  const lost = own.filter(({ requestId }) => !held.has(requestId));
  if (lost.length === 0) return;
  await database.batches.putBack(batch.id, lost);
  logger.warn(
    { batchId: batch.id, requests: lost.length },
    'Generations that a crash left in no submission wait again',
  );
}
