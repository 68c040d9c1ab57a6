import { addCounts, type BatchCounts, type BatchView, ModelManagerError, sumCounts } from '@aimm/contracts';
import {
  type BatchRepository,
  type NewColumn,
  type StoredBatch,
  type StoredColumn,
  UnreadableError,
} from '@aimm/database';
import type { Caller } from '../caller.ts';
import type { Resources } from '../resources.ts';
import { estimateLeft } from './batch-pace.ts';
import type { BatchItemResult, BatchList, BatchPage, BatchQuery, BatchSummary } from './batch-types.ts';
import { explainWait } from './explain-wait.ts';
import { requireBatch } from './require-batch.ts';

export async function readBatch(resources: Resources, caller: Caller, batchId: string): Promise<BatchView> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  const columns = await batches.columns(batchId);
  const summaries = await batches.summarize(batch, columns);
  for (const { counts: own } of summaries) own[toUnfed(batch)] += batch.items - sumCounts(own);
  const counts = addCounts(summaries.map((summary) => summary.counts));
  const left = estimateLeft(resources, { ...toBase(batch, columns), columns: summaries });
  const waitsBecause = await explainWait(resources, batch, summaries);
  return {
    ...toBase(batch, columns),
    total: batch.items * columns.length,
    counts,
    estimatedCostNanoUsd: batch.estimatedNanoUsd,
    ...(batch.maxCostNanoUsd !== undefined && { maxCostNanoUsd: batch.maxCostNanoUsd }),
    columns: summaries,
    ...(left !== undefined && { estimatedLeftMs: left }),
    ...(waitsBecause !== undefined && { waitsBecause }),
  };
}

export async function listBatchGenerations(
  resources: Resources,
  caller: Caller,
  batchId: string,
  { cursor, limit = 100, ...query }: BatchQuery = {},
): Promise<BatchPage> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  const columns = await batches.columns(batchId);
  const after = cursor === undefined ? undefined : parseCursor(cursor);
  const { generations, next } = await batches.generations(batch, columns, { ...query, limit, after });
  return { generations, ...(next !== undefined && { nextCursor: `${next.item}.${next.column}` }) };
}

/** Every item with what came of it, as it stands when it is read. */
export async function* readBatchResults(
  resources: Resources,
  caller: Caller,
  batchId: string,
): AsyncGenerator<BatchItemResult> {
  const { batch, batches } = await requireBatch(resources, caller, batchId);
  const columns = await batches.columns(batchId);
  const itemsAtOnce = Math.max(1, Math.floor(resultsAtOnce / columns.length));
  for (let from = 0; from < batch.items; from += itemsAtOnce) {
    const items = await batches.items(batchId, from, itemsAtOnce);
    const after = from === 0 ? undefined : { item: from - 1, column: Number.MAX_SAFE_INTEGER };
    const limit = items.length * columns.length;
    const { generations } = await batches.generations(batch, columns, { limit, after });
    const byItem = Map.groupBy(generations, ({ item }) => item);
    for (const { number, content: item } of items) yield { item, generations: byItem.get(number) ?? [] };
  }
}

const resultsAtOnce = 1_000;

/** The caller's own, or all for `admin`; newest first. */
export async function listBatches(
  { database }: Pick<Resources, 'database'>,
  caller: Caller,
  {
    limit = 20,
    cursor: before,
    client,
    statuses,
  }: {
    limit?: number | undefined;
    cursor?: string | undefined;
    client?: string | undefined;
    statuses?: readonly BatchView['status'][] | undefined;
  } = {},
): Promise<BatchList> {
  const { batches } = await database.get();
  const owner = caller.admin ? client : caller.client;
  const found = await batches.list({ client: owner, before, statuses, limit: limit + 1 });
  const page = found.slice(0, limit);
  const summaries = await Promise.all(page.map((batch) => toSummary(batches, batch).catch(toNothing)));
  const last = page.at(-1);
  return {
    batches: summaries.flat(),
    ...(found.length > limit && last !== undefined && { nextCursor: last.id }),
  };
}

/** One whose models cannot be read hides no other. */
function toNothing(error: unknown): [] {
  if (error instanceof UnreadableError) return [];
  throw error;
}

/** How far it is, without looking at results. */
export async function countBatch(batches: BatchRepository, batch: StoredBatch, columns: number): Promise<BatchCounts> {
  const counts = addCounts([]);
  for (const { status, count } of await batches.counts(batch.id)) counts[status] += count;
  counts[toUnfed(batch)] += batch.items * columns - sumCounts(counts);
  return counts;
}

async function toSummary(batches: BatchRepository, batch: StoredBatch): Promise<BatchSummary> {
  const columns = await batches.columns(batch.id);
  return {
    ...toBase(batch, columns),
    total: batch.items * columns.length,
    counts: await countBatch(batches, batch, columns.length),
    models: columns.flatMap(({ provider, model, judges }) => (judges === undefined ? [`${provider}/${model}`] : [])),
  };
}

function toBase(batch: StoredBatch, columns: readonly StoredColumn[]) {
  // One that is being prepared is shown to nobody.
  const status = batch.status === 'preparing' ? 'running' : batch.status;
  return {
    batchId: batch.id,
    client: batch.client,
    ...(batch.name !== undefined && { name: batch.name }),
    status,
    ...(batch.pausedBecause !== undefined && { pausedBecause: batch.pausedBecause }),
    items: batch.items,
    costNanoUsd: batch.spentNanoUsd,
    ...toDemoMark(columns),
    createdAt: batch.createdAt,
    ...(batch.endedAt !== undefined && { endedAt: batch.endedAt }),
  };
}

/** That the demo stood in for one of them, where it did. */
export function toDemoMark(columns: readonly NewColumn[]): Pick<BatchView, 'demo'> {
  return columns.some(({ template }) => template.demo === true) ? { demo: true } : {};
}

/** What was never queued. */
function toUnfed({ status }: StoredBatch): 'waiting' | 'cancelled' {
  return status === 'cancelled' ? 'cancelled' : 'waiting';
}

function parseCursor(cursor: string): { item: number; column: number } {
  const [, item, column] = /^(\d{1,9})\.(\d{1,4})$/.exec(cursor) ?? [];
  if (item !== undefined && column !== undefined) return { item: Number(item), column: Number(column) };
  throw new ModelManagerError('invalid_request', 'That is not a cursor of a batch.', {
    hint: 'Use next_cursor of the page before, or none for the first page.',
  });
}
