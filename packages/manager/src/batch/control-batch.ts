import { type BatchView, ModelManagerError } from '@aimm/contracts';
import type { BatchRepository, QueuedGeneration, StoredColumn } from '@aimm/database';
import { queueOf } from '@aimm/queue';
import { requireNotAborted } from '../abort.ts';
import { releaseBudget } from '../budgets.ts';
import type { Caller } from '../caller.ts';
import { asCaller } from '../own-budgets.ts';
import type { Resources } from '../resources.ts';
import { requireStorage } from '../store-content.ts';
import { createBatchCosts } from './batch-costs.ts';
import type { BatchModelAsk, BatchOptions } from './batch-types.ts';
import { requireAffordable } from './max-cost.ts';
import { readBatch } from './read-batch.ts';
import { requireBatch } from './require-batch.ts';
import { resolveColumns, toJudgeColumns } from './resolve-columns.ts';

/** Nothing new is asked; what waits in queues is taken back out by whoever feeds, what runs ends. Repeatable. */
export async function pauseBatch(resources: Resources, caller: Caller, batchId: string): Promise<BatchView> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  // Also where it paused by itself: then it does not go on by itself.
  const done = await batches.setStatus(batchId, ['running', 'paused'], 'paused');
  if (!done) throw hasEnded(batchId, batch.status);
  return told(resources, caller, batchId);
}

/** `maxCostNanoUsd`: what it may cost from now on, in place of what it might. */
export async function resumeBatch(
  resources: Resources,
  caller: Caller,
  batchId: string,
  { maxCostNanoUsd }: { maxCostNanoUsd?: number | undefined } = {},
): Promise<BatchView> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  const done = await batches.setStatus(batchId, ['running', 'paused'], 'running', {
    ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd }),
  });
  if (!done) throw hasEnded(batchId, batch.status);
  return told(resources, caller, batchId);
}

const lookedAtOnce = 1_000;

/** What waits is cancelled, what runs aborted. One that has ended stays as it ended. */
export async function cancelBatch(resources: Resources, caller: Caller, batchId: string): Promise<BatchView> {
  const { batches } = await requireBatch(resources, caller, batchId);
  const done = await batches.setStatus(batchId, ['running', 'paused'], 'cancelled');
  if (!done) return readBatch(resources, caller, batchId);
  const columns = await batches.columns(batchId);
  const before = Number.MAX_SAFE_INTEGER;
  // What vendors have is cancelled there by whoever looks after it.
  const inQueues = columns.filter(({ lane }) => lane === 'queue').map(({ number }) => number);
  const queued = await batches.listQueued(batchId, {
    queuedBefore: before,
    limit: lookedAtOnce * 10,
    columns: inQueues,
  });
  // All at once: one after the other, the place that a running one gives up would go to one that waits.
  const removed = await Promise.all(queued.map((one) => cancelOne(resources, columns, one)));
  await batches.record(
    queued.flatMap(({ queuedAt: _queuedAt, ...one }, index) =>
      removed[index] !== undefined
        ? [
            {
              ...one,
              batchId,
              status: 'cancelled' as const,
              error: cancelled(),
              costNanoUsd: removed[index],
              endedAt: resources.now(),
            },
          ]
        : [],
    ),
  );
  await batches.cancelWaiting(batchId);
  await batches.finishIfDone(batchId);
  return told(resources, caller, batchId);
}

/** What it had cost, where it was taken out of its queue; what is not there yet, or runs, is ended by workers. */
async function cancelOne(
  resources: Resources,
  columns: readonly StoredColumn[],
  { column: number, requestId }: QueuedGeneration,
): Promise<number | undefined> {
  const { queue } = resources;
  const provider = columns.find((column) => column.number === number)?.provider;
  if (provider === undefined) return undefined;
  const record = await queue.requests.find(requestId);
  let cost = 0;
  const done = await queue.producer.cancel(queueOf('generate', provider), requestId, {
    onRemoved: (rows) => (cost = rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0)),
  });
  if (done !== 'removed') return undefined;
  await releaseBudget(resources, { requestId, budget: record?.budget });
  await queue.requests.forget([requestId]);
  return cost;
}

/** One that has ended goes with its prompts and answers; what it cost stays in the ledger. @throws invalid_request, unavailable */
export async function deleteBatch(resources: Resources, caller: Caller, batchId: string): Promise<void> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  if (batch.endedAt === undefined) {
    const isEnding = batch.status === 'cancelled';
    throw new ModelManagerError(
      'invalid_request',
      isEnding ? `The batch ${batchId} is just ending.` : `The batch ${batchId} is ${batch.status}.`,
      {
        hint: isEnding
          ? 'Calls that run are being aborted: delete it in a moment.'
          : 'Only one that has ended can be deleted: cancel it first (`aimm batch cancel`, cancel_job).',
      },
    );
  }
  if (await batches.discard(batchId)) return;
  // Somebody may have been faster, or had it go on.
  await requireBatch(resources, caller, batchId);
  throw new ModelManagerError('unavailable', `A vendor still has something of the batch ${batchId}.`, {
    retryable: true,
    hint: 'Its files there are being removed. Delete it in some minutes.',
  });
}

/** What failed is asked again, under new ids; gives the batch as it goes on. */
export async function retryBatch(resources: Resources, caller: Caller, batchId: string): Promise<BatchView> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  if (batch.status === 'cancelled') throw hasEnded(batchId, batch.status);
  requireStorage(resources);
  await batches.retryFailed(batchId);
  return told(resources, caller, batchId);
}

/** Further models, and the judge's columns that belong to them: only those are asked. Aborted, it adds none. @throws as `startBatch` does */
export async function addBatchModels(
  shared: Resources,
  caller: Caller,
  batchId: string,
  { models }: { models: readonly (string | BatchModelAsk)[] },
  { confirm, signal }: Pick<BatchOptions, 'confirm' | 'signal'> = {},
): Promise<BatchView> {
  const resources = asCaller(shared, caller);
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  if (batch.status === 'cancelled') throw hasEnded(batchId, batch.status);
  requireStorage(resources);
  const { settings, variants, timeoutMs, judge } = batch.spec;
  const existing = await batches.columns(batchId);
  const fresh = await resolveColumns(
    resources,
    caller,
    { models, lane: undefined, settings, variants, timeoutMs },
    existing,
  );
  const judging = judge === undefined ? [] : toJudgeColumns(resources, judge, existing, fresh, timeoutMs);
  const added = [...fresh, ...judging];
  const costs = createBatchCosts(resources.catalog, added, {
    read: [...existing, ...added],
    criteria: judge?.criteria,
  });
  await readItems(batches, batchId, signal, (item) => costs.add(item));
  const { byColumn, totalNanoUsd } = costs.price(resources.now());
  const before = batch.estimatedNanoUsd;
  const estimatedNanoUsd = totalNanoUsd === null || before === null ? null : before + totalNanoUsd;
  const generations = batch.items * (existing.length + added.length);
  const { items, maxCostNanoUsd } = batch;
  await requireAffordable({ items, generations, estimatedNanoUsd, maxCostNanoUsd }, confirm);
  requireNotAborted(signal);
  await batches.addColumns(
    batchId,
    added.map((column) => ({
      ...column,
      template: { ...column.template, expectedNanoUsd: byColumn.get(column.number) ?? null },
    })),
    estimatedNanoUsd,
  );
  return told(resources, caller, batchId);
}

async function readItems(
  batches: BatchRepository,
  batchId: string,
  signal: AbortSignal | undefined,
  onItem: (item: Parameters<ReturnType<typeof createBatchCosts>['add']>[0]) => void,
): Promise<void> {
  for (let from = 0; ;) {
    requireNotAborted(signal);
    const page = await batches.items(batchId, from, 500);
    for (const { content } of page) onItem(content);
    const last = page.at(-1);
    if (last === undefined) return;
    from = last.number + 1;
  }
}

async function told(resources: Resources, caller: Caller, batchId: string): Promise<BatchView> {
  await resources.queue.batchNews.tell(batchId, 'change');
  return readBatch(resources, caller, batchId);
}

function hasEnded(batchId: string, status: string): ModelManagerError {
  return new ModelManagerError('invalid_request', `The batch ${batchId} is ${status}.`, {
    hint:
      status === 'cancelled'
        ? 'What was cancelled stays so: start a new batch.'
        : 'It has ended: failed items are asked again with `aimm batch retry`, further models with `aimm batch add-model`.',
  });
}

function cancelled() {
  return new ModelManagerError('cancelled', 'The batch was cancelled.').toShape();
}
