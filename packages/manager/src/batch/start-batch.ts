import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BatchItem, type BatchSpec, type BatchView, ModelManagerError } from '@aimm/contracts';
import type { BatchRepository, NewColumn, StoredBatch } from '@aimm/database';
import { requireNotAborted } from '../abort.ts';
import type { Caller } from '../caller.ts';
import { asCaller } from '../own-budgets.ts';
import { createSchemaCheck, requireUsableSchema } from '../require-usable-schema.ts';
import type { Resources } from '../resources.ts';
import { requireStorage } from '../store-content.ts';
import { type BatchCosts, createBatchCosts } from './batch-costs.ts';
import type { BatchAsk, BatchOptions } from './batch-types.ts';
import { requireAffordable } from './max-cost.ts';
import { readBatch } from './read-batch.ts';
import { resolveColumns, resolveJudge, toJudgeColumns } from './resolve-columns.ts';
import { toStartedView } from './started-view.ts';

/** Of a transaction. SQLite answers before it returns: so many take a few milliseconds. */
const itemsAtOnce = 250;
const bytesAtOnce = 1_000_000;
/** Says so often that it lives. */
const touchEveryMs = 20_000;

/**
 * Writes the items to the database, tells what they will cost, and lets the batch run. Resolves once it does; whoever dies
 * before leaves nothing that runs. @throws what choosing models throws; invalid_request, budget_exceeded, unavailable
 */
export async function startBatch(
  shared: Resources,
  caller: Caller,
  ask: BatchAsk,
  options: BatchOptions = {},
): Promise<BatchView> {
  const resources = asCaller(shared, caller);
  requireNotAborted(options.signal);
  requireStorage(resources);
  const settings = ask.settings ?? {};
  const variants = ask.variants === undefined || ask.variants.length === 0 ? [{ settings: {} }] : [...ask.variants];
  for (const one of [settings, ...variants.map((variant) => variant.settings)]) await requireUsableSchema(one);
  if (ask.models.length === 0) throw new ModelManagerError('invalid_request', 'A batch needs at least one model.');
  const { lane, models, timeoutMs } = ask;
  const asked = await resolveColumns(resources, caller, { models, lane, settings, variants, timeoutMs });
  const judge = ask.judge === undefined ? undefined : await resolveJudge(resources, caller, ask.judge);
  if (judge?.mode === 'pairwise' && asked.length < 2) {
    throw new ModelManagerError('invalid_request', 'Judging by pairs needs at least two models.', {
      hint: 'Have it give scores, or name another model.',
    });
  }
  const columns = [...asked, ...(judge === undefined ? [] : toJudgeColumns(resources, judge, [], asked, timeoutMs))];
  const spec: BatchSpec = {
    settings,
    variants,
    assertions: [...(ask.assertions ?? [])],
    ...(judge !== undefined && { judge }),
    tags: [...new Set(ask.tags ?? [])],
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(caller.limits !== undefined && { clientLimits: caller.limits }),
    ...(caller.budgets !== undefined && caller.budgets.length > 0 && { clientBudgets: [...caller.budgets] }),
  };

  const id = `bat_${resources.uuid()}`;
  const { batches } = await resources.database.get();
  const named = { id, client: caller.client, ...(ask.name !== undefined && { name: ask.name }) };
  await batches.create({ ...named, spec }, columns);
  const alive = setInterval(() => void batches.touch(id).catch(() => undefined), touchEveryMs);
  let facts: StartedFacts;
  try {
    facts = await fill(resources, batches, { id, columns, ask, options });
  } catch (error) {
    // What cannot be removed now is removed by whoever feeds batches.
    await batches.remove(id).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(alive);
  }
  await resources.queue.batchNews.tell(id, 'change');
  return readBatch(resources, caller, id).catch((error: unknown) => {
    // It runs: who is not told its id starts it again, and pays twice.
    resources.logger.warn({ err: error, batchId: id }, 'A batch runs, but could not be read after its start');
    return toStartedView({ ...named, ...facts, createdAt: resources.now() }, columns);
  });
}

type StartedFacts = Pick<StoredBatch, 'items' | 'estimatedNanoUsd' | 'maxCostNanoUsd'>;

async function fill(
  { catalog, now }: Resources,
  batches: BatchRepository,
  { id, columns, ask, options }: { id: string; columns: NewColumn[]; ask: BatchAsk; options: BatchOptions },
): Promise<StartedFacts> {
  const costs = createBatchCosts(catalog, columns, { criteria: ask.judge?.criteria });
  const items = await writeItems(batches, id, ask.items, costs, options);
  requireNotAborted(options.signal);
  const { byColumn, totalNanoUsd: estimatedNanoUsd } = costs.price(now());
  const estimate = { items, generations: items * columns.length, estimatedNanoUsd };
  const maxCostNanoUsd = await requireAffordable({ ...estimate, maxCostNanoUsd: ask.maxCostNanoUsd }, options.confirm);
  requireNotAborted(options.signal);
  const facts = { items, estimatedNanoUsd, ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd }) };
  await batches.start(id, facts, byColumn);
  return facts;
}

async function writeItems(
  batches: BatchRepository,
  id: string,
  items: BatchAsk['items'],
  costs: BatchCosts,
  { signal, onItems }: BatchOptions,
): Promise<number> {
  const requireUsable = createSchemaCheck();
  let written = 0;
  let held: BatchItem[] = [];
  let bytes = 0;
  const flush = async () => {
    await batches.addItems(id, written, held);
    written += held.length;
    onItems?.(written);
    [held, bytes] = [[], 0];
    await nextTurn();
  };
  for await (const item of items) {
    requireNotAborted(signal);
    if (item.settings !== undefined) await requireUsable(item.settings);
    costs.add(item);
    held.push(item);
    bytes += sizeOf(item);
    if (held.length >= itemsAtOnce || bytes >= bytesAtOnce) await flush();
  }
  if (held.length > 0) await flush();
  if (written === 0) throw new ModelManagerError('invalid_request', 'A batch needs at least one item.');
  return written;
}

/** Roughly: what counts is long texts and images. */
function sizeOf({ messages }: BatchItem): number {
  return messages.reduce(
    (sum, { content }) =>
      sum +
      content.reduce((size, part) => size + (part.type === 'text' ? part.text.length : JSON.stringify(part).length), 0),
    0,
  );
}
