import type { ResolvedModel } from '@aimm/catalog';
import {
  batchApiKinds,
  type BatchJudge,
  type BatchLane,
  type BatchVariant,
  type GenerationSettings,
  type Message,
  ModelManagerError,
} from '@aimm/contracts';
import type { NewColumn } from '@aimm/database';
import { applyPreferences, namingAlias, type PreparedAsk, toAliasName } from '../apply-preferences.ts';
import { chooseModel } from '../choose-model.ts';
import type { Caller } from '../caller.ts';
import { isUnavailable } from '../is-unavailable.ts';
import { requireConfigured } from '../require-configured.ts';
import type { Resources } from '../resources.ts';
import type { BatchAsk, BatchModelAsk } from './batch-types.ts';

/** A batch of more would be a table that nobody reads; judges by pairs count, too. */
const mostColumns = 100;

export interface ColumnPlan {
  models: readonly (string | BatchModelAsk)[];
  lane: BatchLane | undefined;
  settings: GenerationSettings;
  variants: readonly BatchVariant[];
  timeoutMs: number | undefined;
}

/** A column for each model and variant. @throws what choosing a model throws, and invalid_request for one that is there twice */
export async function resolveColumns(
  resources: Resources,
  caller: Caller,
  plan: ColumnPlan,
  existing: readonly NewColumn[] = [],
): Promise<NewColumn[]> {
  const columns: NewColumn[] = [];
  let number = Math.max(-1, ...existing.map((column) => column.number)) + 1;
  for (const asked of plan.models) {
    const { model, lane = plan.lane ?? 'queue' } = typeof asked === 'string' ? parseModelAsk(asked) : asked;
    for (const [index, variant] of plan.variants.entries()) {
      const column = await resolveColumn(resources, caller, { ...plan, model, variant });
      if (lane === 'provider_batch') await requireBatchApi(resources, column.provider);
      const named = plan.variants.length > 1 ? { variant: variant.name ?? String(index + 1) } : {};
      columns.push({ number: (number += 1) - 1, lane, ...column, ...named });
    }
  }
  requireDistinct([...existing, ...columns]);
  return columns;
}

async function resolveColumn(
  resources: Resources,
  caller: Caller,
  { model, settings: given, variant, timeoutMs }: ColumnPlan & { model: string; variant: BatchVariant },
): Promise<Pick<NewColumn, 'provider' | 'model' | 'template'>> {
  const settings = { ...given, ...variant.settings };
  const asked = await applyPreferences(resources, caller, { messages: [probe], settings, model });
  const choice = await chooseModel(resources, asked);
  await requireKey(resources, asked, choice.resolved);
  choice.added();
  const [first] = asked.messages;
  const system = first?.role === 'system' && first.content[0]?.type === 'text' ? first.content[0].text : undefined;
  return toColumn(choice.resolved, {
    settings: choice.settings,
    timeoutMs,
    ...((await isDemo(resources, choice.resolved.provider.id)) && { demo: true }),
    ...toAliasName(asked),
    ...(system !== undefined && { system }),
  });
}

/** Every generation of the column would fail for it. A batch is also started where nobody can tell: its items are in the database. */
async function requireKey(resources: Resources, { alias }: PreparedAsk, model: ResolvedModel): Promise<void> {
  try {
    await namingAlias(alias, () => requireConfigured(resources, [model]));
  } catch (error) {
    if (!isUnavailable(error)) throw error;
  }
}

/** What the demo answers says so by itself: where nobody can tell, that has to do. */
async function isDemo({ providers }: Pick<Resources, 'providers'>, provider: string): Promise<boolean> {
  try {
    return await providers.isDemo(provider);
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return false;
  }
}

/** What is chosen for it is chosen for all items. */
const probe: Message = { role: 'user', content: [{ type: 'text', text: 'An item of a batch.' }] };

function toColumn(
  { provider, model, info, warnings }: ResolvedModel,
  {
    timeoutMs,
    ...more
  }: { settings: GenerationSettings; timeoutMs: number | undefined; demo?: boolean; alias?: string; system?: string },
): Pick<NewColumn, 'provider' | 'model' | 'template'> {
  return {
    provider: provider.id,
    model,
    template: {
      attempts: provider.attempts,
      timeoutMs: timeoutMs ?? provider.timeoutMs,
      ...(info?.contextWindow !== undefined && { contextWindow: info.contextWindow }),
      warnings,
      expectedNanoUsd: null,
      ...more,
    },
  };
}

/** An alias brings its model only: how a judge is to answer is laid down. */
export async function resolveJudge(
  resources: Resources,
  caller: Caller,
  { model, mode = 'scores', criteria }: NonNullable<BatchAsk['judge']>,
): Promise<BatchJudge> {
  const asked = await applyPreferences(resources, caller, { messages: [probe], settings: {}, model });
  const { resolved, added } = await chooseModel(resources, { ...asked, messages: [probe], settings: {} });
  await requireKey(resources, asked, resolved);
  added();
  const { provider, model: id } = resolved;
  return { provider: provider.id, model: id, mode, ...(criteria !== undefined && { criteria }) };
}

/** The judge's columns for `fresh` ones: of each, or of each pair with any other, in both orders. @throws invalid_request */
export function toJudgeColumns(
  { catalog, listing }: Pick<Resources, 'catalog' | 'listing'>,
  judge: BatchJudge,
  known: readonly NewColumn[],
  fresh: readonly NewColumn[],
  timeoutMs?: number,
): NewColumn[] {
  const judged = [...known, ...fresh].filter(({ judges }) => judges === undefined);
  const isFresh = (number: number) => fresh.some((column) => column.number === number);
  const pairs = judged.flatMap((a) => judged.flatMap((b) => (a === b ? [] : [[a.number, b.number]])));
  const readings =
    judge.mode === 'scores' ? fresh.map(({ number }) => [number]) : pairs.filter((pair) => pair.some(isFresh));
  const resolved = catalog.resolveModel(`${judge.provider}/${judge.model}`, listing.known());
  const first = Math.max(-1, ...[...known, ...fresh].map(({ number }) => number)) + 1;
  const column = toColumn(resolved, { settings: { responseFormat: { type: 'json' } }, timeoutMs });
  const columns = readings.map((judges, index): NewColumn => ({
    number: first + index,
    lane: 'queue',
    judges,
    ...column,
  }));
  if (known.length + fresh.length + columns.length > mostColumns) {
    throw new ModelManagerError('invalid_request', `A batch has at most ${mostColumns} columns, a judge’s included.`, {
      hint: 'Compare fewer models or variants, or have the judge give scores in place of pairs.',
    });
  }
  return columns;
}

/** `model@batch`: by the vendor's batch API; `model@queue`: by our workers. An `@` elsewhere is the model's own. */
function parseModelAsk(asked: string): BatchModelAsk {
  const [, model, way] = /^(.+)@(batch|queue)$/.exec(asked) ?? [];
  if (model === undefined) return { model: asked };
  return { model, lane: way === 'batch' ? 'provider_batch' : 'queue' };
}

/** @throws invalid_request naming the providers that have one */
async function requireBatchApi(
  { catalog, providers }: Pick<Resources, 'catalog' | 'providers'>,
  provider: string,
): Promise<void> {
  const demo = await providers.isDemo(provider);
  // The demo's stand-in speaks OpenAI's only.
  const kinds = demo ? ['openai'] : batchApiKinds;
  const kind = catalog.findProvider(provider)?.kind;
  if (kind !== undefined && kinds.includes(kind)) return;
  const able = catalog.providers.filter((one) => kinds.includes(one.kind)).map(({ id }) => id);
  throw new ModelManagerError(
    'invalid_request',
    `${provider} has no batch API${demo ? ' in the demo' : ''}, so the lane provider_batch cannot be used for it.`,
    {
      hint: `These have one${demo ? ' here' : ''}: ${able.join(', ')}. Write @batch behind the names of their models only, or leave the lane out: our workers ask every provider, at the usual price.`,
    },
  );
}

function requireDistinct(columns: readonly NewColumn[]): void {
  if (columns.length > mostColumns) {
    throw new ModelManagerError('invalid_request', `A batch has at most ${mostColumns} columns.`, {
      hint: 'Ask fewer models, or make several batches.',
    });
  }
  const names = columns
    .filter(({ judges }) => judges === undefined)
    .map(({ provider, model, variant = '' }) => `${provider}/${model} ${variant}`.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ModelManagerError('invalid_request', `${twice} is in the batch twice.`, {
    hint: 'Name each model once; an alias may stand for one that is named already.',
  });
}
