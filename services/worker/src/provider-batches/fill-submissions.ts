import type { BatchRepository, StoredBatch, StoredColumn, StoredSubmission, TakenGeneration } from '@aimm/database';
import { explainMaxCost, findAffordable, hasMore } from '../batch/affordable.ts';
import { toBatchPayload } from '../batch/batch-payload.ts';
import { isolateBatch } from '../batch/isolate-batch.ts';
import { queuedPages } from '../batch/queued-pages.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { StepContext } from './keeper-options.ts';
import { toPatienceMs } from './next-try.ts';

/** Rows of one transaction: SQLite answers before it returns. */
const takenAtOnce = 250;
/** Another request may give something of a budget back, or somebody raise it, before it renews. */
const longestPauseMs = 60_000;

const mostTold = 1_000;

interface FillContext extends StepContext {
  /** Why batches were paused last, by batch, until they go on: one that waits for its budget is paused anew at every look. */
  told: Map<string, string>;
}

/** Makes submissions of what waits in columns that go to vendors' batch APIs, of batches that run. */
export async function fillSubmissions(
  context: FillContext,
  served: readonly string[],
  { sweeps }: { sweeps: boolean },
): Promise<void> {
  const { database, providers, catalog, pace, logger } = context;
  const open = await database.batchSubmissions.listOpen(served);
  const counts = new Map<string, number>();
  for (const { provider } of open) counts.set(provider, (counts.get(provider) ?? 0) + 1);
  const isolation = { batches: database.batches, logger };
  for (const batch of await database.batches.listLive(context.now()))
    await isolateBatch(isolation, batch, () => fill(batch));

  async function fill(batch: StoredBatch): Promise<void> {
    const columns = await database.batches.columns(batch.id);
    for (const column of columns.filter(goesToVendor)) {
      if (catalog.findProvider(column.provider) === undefined) {
        if (batch.status !== 'running' || !(await isOpen(database.batches, batch, column))) continue;
        await pause(context, batch, {
          pausedBecause: `The provider ${column.provider} is not in the configuration any more.`,
        });
        break;
      }
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
async function takeSubmission(context: FillContext, batch: StoredBatch, column: StoredColumn): Promise<boolean> {
  const { database, pace, providers, now } = context;
  const endpoint = findEndpoint(providers, column.provider)?.endpoint;
  if (endpoint === undefined) return false;
  const allowed = await findAllowed(context, batch, column);
  if (allowed < 1) return false;
  const requests: StoredSubmission['requests'] = [];
  const limit = Math.min(allowed, pace.maxRequests, endpoint.limits.maxRequests);
  const at = Math.round(now());
  // What a vendor has may be billed, in whichever round.
  const heldUntil = at + pace.maxRounds * toPatienceMs(endpoint);
  // What users wrote and what each request has of its column; what goes out of it is weighed before it does.
  const templateBytes = weigh(column.template);
  let bytesLeft = Math.min(pace.maxBytes, endpoint.limits.maxBytes / 2);
  while (requests.length < limit && bytesLeft > 0) {
    const { taken } = await database.batches.take(batch.id, column, {
      limit: Math.min(takenAtOnce, limit - requests.length, Math.ceil(bytesLeft / templateBytes)),
      maxBytes: bytesLeft,
      createId: context.createRequestId,
      at,
    });
    if (taken.length === 0) break;
    const held = await holdBudgets(context, batch, column, taken, { at, heldUntil });
    for (const { item, requestId, content } of held) {
      requests.push({ item, requestId, calls: 0 });
      bytesLeft -= weigh(content) + templateBytes;
    }
    if (held.length < taken.length) break;
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
    createdAt: at,
    nextAt: at,
  });
  context.told.delete(batch.id);
  context.logger.info(
    { submission: id, batchId: batch.id, requests: requests.length },
    'Prepared a batch for a vendor',
  );
  return true;
}

function weigh(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** As many as the batch may still cost. Where that is none, and nothing is under way that could cost less than it might, it pauses. */
async function findAllowed(context: FillContext, batch: StoredBatch, column: StoredColumn) {
  const { pace } = context;
  if (batch.maxCostNanoUsd === undefined) return pace.maxRequests;
  const { batches } = context.database;
  const counts = await batches.outstanding(batch.id);
  const outstanding = new Map(counts.map((one) => [one.column, one]));
  // What was recorded since the batch was listed is spent.
  const now = (await batches.find(batch.id)) ?? batch;
  const affordable = findAffordable({ batch: now, columns: await batches.columns(batch.id), outstanding }, column);
  if (affordable !== 0 || counts.length > 0) return Math.min(affordable ?? pace.maxRequests, pace.maxRequests);
  if ((await batches.finishIfDone(batch.id)) || !(await hasMore(batches, batch, column))) return 0;
  await pause(context, batch, { pausedBecause: explainMaxCost(now, column) });
  return 0;
}

async function pause(
  { database, told, logger }: FillContext,
  { id: batchId }: StoredBatch,
  why: { pausedBecause: string; resumeAt?: number },
): Promise<void> {
  const isNew = await database.batches.setStatus(batchId, ['running'], 'paused', why);
  if (!isNew || told.get(batchId) === why.pausedBecause) return;
  if (told.size >= mostTold) told.clear();
  told.set(batchId, why.pausedBecause);
  logger.info({ batchId, pausedBecause: why.pausedBecause }, 'A batch was paused');
}

/** Whether anything of the column waits, or is at its vendor. */
async function isOpen(
  batches: Pick<BatchRepository, 'counts'>,
  { id, items }: StoredBatch,
  { number, nextItem }: StoredColumn,
): Promise<boolean> {
  if (nextItem < items) return true;
  const counts = await batches.counts(id);
  return counts.some(({ column, status }) => column === number && (status === 'waiting' || status === 'queued'));
}

/** Gives those that budgets have room for; the others wait again, and the batch pauses where nothing else is under way. */
async function holdBudgets(
  context: FillContext,
  batch: StoredBatch,
  column: StoredColumn,
  taken: readonly TakenGeneration[],
  { at, heldUntil }: { at: number; heldUntil: number },
): Promise<readonly TakenGeneration[]> {
  const {
    budgets,
    database: { batches },
    now,
  } = context;
  if (budgets?.concern(batch) !== true) return taken;
  const payloads = taken.map((one) => {
    const payload = { ...toBatchPayload(batch, column, one, at), deadlineAt: heldUntil };
    return budgets.plan(batch, payload, at);
  });
  const toQueued = (some: readonly TakenGeneration[]) =>
    some.map(({ item, requestId }) => ({ item, requestId, column: column.number, queuedAt: at }));
  try {
    const { reserved, refusal } = await budgets.reserve(batch, payloads);
    await batches.putBack(batch.id, toQueued(taken.slice(reserved.length)));
    if (refusal !== undefined && reserved.length === 0 && (await batches.outstanding(batch.id)).length === 0) {
      const { because: pausedBecause, renewsAt } = refusal;
      await pause(context, batch, { pausedBecause, resumeAt: Math.min(renewsAt, now() + longestPauseMs) });
    }
    return taken.slice(0, reserved.length);
  } catch (error) {
    await batches.putBack(batch.id, toQueued(taken));
    throw error;
  }
}

/** Those that were taken by somebody who died before they stood in a submission. */
async function putLostBack(
  { database, budgets, pace, now, logger }: StepContext,
  batch: StoredBatch,
  column: StoredColumn,
): Promise<void> {
  const queuedBefore = now() - pace.lostAfterMs;
  let held: ReadonlySet<string> | undefined;
  let requests = 0;
  for await (const own of queuedPages(database.batches, batch.id, { columns: [column.number], queuedBefore })) {
    held ??= await database.batchSubmissions.heldRequests(batch.id);
    const lost = own.filter(({ requestId }) => held?.has(requestId) === false);
    if (lost.length === 0) continue;
    const back = await database.batches.putBack(batch.id, lost);
    for (const { requestId, queuedAt } of back) await budgets?.releaseLost(batch, requestId, queuedAt);
    requests += back.length;
  }
  if (requests === 0) return;
  logger.warn({ batchId: batch.id, requests }, 'Generations that a crash left in no submission wait again');
}
