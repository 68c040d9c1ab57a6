import {
  type BatchColumn,
  type BatchColumnSummary,
  BatchCounts,
  type BatchGeneration,
  BatchGenerationStatus,
  BatchStatus,
  type BatchView,
} from '@aimm/contracts';
import { formatColumnCost, toColumnLabel, toDemoNote } from '@aimm/batch/labels';
import * as z from 'zod';
import { toErrorOutput } from '../errors.ts';
import { ErrorSchema } from './error-schema.ts';
import { formatCount, formatPlural, formatSeconds, formatUsd, toUsd } from './units.ts';

const Column = z.object({
  column: z.int(),
  model: z.string(),
  counts: BatchCounts,
  passed: z.int().optional(),
  asserted: z.int().optional(),
  assertions: z.record(z.string(), z.object({ passed: z.int(), of: z.int() })).optional(),
  wins: z.int().optional(),
  losses: z.int().optional(),
  ties: z.int().optional(),
  score: z.number().optional(),
  cost_usd: z.number(),
  unpriced: z.int().optional(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  latency_p50_ms: z.number().optional(),
  latency_p95_ms: z.number().optional(),
  errors: z.record(z.string(), z.int()).optional(),
});

/** What start_batch answers, and get_job tells of a batch besides. */
export const batchFields = {
  job_id: z.string(),
  status: z.string(),
  batch_status: BatchStatus,
  name: z.string().optional(),
  paused_because: z.string().optional(),
  waits_because: z.string().optional(),
  items: z.int(),
  total: z.int(),
  counts: BatchCounts,
  estimated_cost_usd: z.number().nullable(),
  max_cost_usd: z.number().optional(),
  spent_usd: z.number(),
  demo: z.boolean().optional(),
  estimated_left_seconds: z.int().optional(),
  columns: z.array(Column),
};
const BatchOutput = z.object(batchFields);

export const BatchResultSchema = z.object({
  item: z.string(),
  column: z.int(),
  status: BatchGenerationStatus,
  job_id: z.string().optional(),
  text: z.string().optional(),
  tool_calls: z.array(z.record(z.string(), z.unknown())).optional(),
  structured: z.unknown().optional(),
  finish_reason: z.string().optional(),
  cost_usd: z.number().nullable().optional(),
  latency_ms: z.number().optional(),
  error: ErrorSchema.optional(),
  assertions: z
    .array(
      z.object({ name: z.string(), passed: z.boolean(), score: z.number().optional(), reason: z.string().optional() }),
    )
    .optional(),
  verdict: z
    .object({
      score: z.number().optional(),
      winner: z.enum(['first', 'second', 'tie']).optional(),
      reason: z.string().optional(),
    })
    .optional(),
});

export function toBatchOutput(view: BatchView): z.input<typeof BatchOutput> {
  const columns = view.columns.map(({ column }) => column);
  return {
    job_id: view.batchId,
    status: view.status === 'completed' ? 'succeeded' : view.status === 'cancelled' ? 'cancelled' : 'running',
    batch_status: view.status,
    ...(view.name !== undefined && { name: view.name }),
    ...(view.pausedBecause !== undefined && { paused_because: view.pausedBecause }),
    ...(view.waitsBecause !== undefined && { waits_because: view.waitsBecause }),
    items: view.items,
    total: view.total,
    counts: view.counts,
    estimated_cost_usd: toUsd(view.estimatedCostNanoUsd),
    ...(view.maxCostNanoUsd !== undefined && { max_cost_usd: view.maxCostNanoUsd / 1e9 }),
    spent_usd: view.costNanoUsd / 1e9,
    ...(view.demo === true && { demo: true }),
    ...(view.estimatedLeftMs !== undefined && { estimated_left_seconds: Math.ceil(view.estimatedLeftMs / 1_000) }),
    columns: view.columns.map((summary) => toColumnOutput(summary, columns)),
  };
}

function toColumnOutput(summary: BatchColumnSummary, columns: readonly BatchColumn[]): z.input<typeof Column> {
  const { column, counts, passed, asserted, assertions, wins, losses, ties, score, errors } = summary;
  return {
    column: column.number,
    model: toColumnLabel(column, columns),
    counts,
    ...(asserted > 0 && { passed, asserted, assertions }),
    ...(wins + losses + ties > 0 && { wins, losses, ties }),
    ...(score !== undefined && { score }),
    cost_usd: summary.costNanoUsd / 1e9,
    ...(summary.unpriced > 0 && { unpriced: summary.unpriced }),
    input_tokens: summary.inputTokens,
    output_tokens: summary.outputTokens,
    ...(summary.latencyP50Ms !== undefined && { latency_p50_ms: summary.latencyP50Ms }),
    ...(summary.latencyP95Ms !== undefined && { latency_p95_ms: summary.latencyP95Ms }),
    ...(Object.keys(errors).length > 0 && { errors }),
  };
}

export function toBatchResultOutput(generation: BatchGeneration): z.input<typeof BatchResultSchema> {
  const { itemId, column, status, requestId, text, toolCalls, structured, costNanoUsd, providerMs, error, assertions } =
    generation;
  return {
    item: itemId,
    column,
    status,
    ...(requestId !== undefined && { job_id: requestId }),
    ...(text !== undefined && { text }),
    ...(toolCalls !== undefined && { tool_calls: toolCalls }),
    ...(structured !== undefined && { structured }),
    ...(generation.finishReason !== undefined && { finish_reason: generation.finishReason.unified }),
    ...(costNanoUsd !== undefined && { cost_usd: toUsd(costNanoUsd) }),
    ...(providerMs !== undefined && { latency_ms: Math.round(providerMs) }),
    ...(error !== undefined && { error: toErrorOutput(error) }),
    ...(assertions !== undefined && { assertions }),
    ...(generation.verdict !== undefined && { verdict: generation.verdict }),
  };
}

/** How it stands, then each model in a line. */
export function formatBatch(view: BatchView): string[] {
  const { counts, total } = view;
  const done = total - counts.waiting - counts.queued;
  const named = view.name === undefined ? view.batchId : `${view.batchId} (${view.name})`;
  const facts = [
    `${formatCount(done)} of ${formatPlural(total, 'generation')} done`,
    ...(counts.failed > 0 ? [`${formatCount(counts.failed)} failed`] : []),
    `${formatUsd(view.costNanoUsd / 1e9)} spent of an estimated ${formatUsd(toUsd(view.estimatedCostNanoUsd))}${toDemoNote(view)}`,
    ...(view.estimatedLeftMs === undefined ? [] : [`about ${formatSeconds(view.estimatedLeftMs)} left`]),
  ];
  const columns = view.columns.map(({ column }) => column);
  const because = view.pausedBecause ?? view.waitsBecause;
  const why = because === undefined ? '' : ` ${because}`;
  return [
    `Batch ${named} is ${view.status}: ${facts.join(', ')}.${why}`,
    ...(done === 0 ? [] : [view.columns.map((summary) => formatColumn(summary, columns)).join('\n')]),
    ...(view.status === 'running' ? ['get_job with its job_id reads progress and results.'] : []),
  ];
}

function formatColumn(summary: BatchColumnSummary, columns: readonly BatchColumn[]): string {
  const { counts, passed, asserted, wins, losses, ties, score } = summary;
  const facts = [
    `${formatCount(counts.succeeded)} succeeded`,
    ...(counts.failed > 0 ? [`${formatCount(counts.failed)} failed`] : []),
    ...(asserted > 0 ? [`${((passed * 100) / asserted).toFixed(0)} % passed`] : []),
    ...(wins + losses + ties > 0 ? [`${wins} won, ${losses} lost, ${ties} even`] : []),
    ...(score === undefined ? [] : [`score ${score.toFixed(1)}`]),
    `cost ${formatColumnCost(summary)}`,
    ...(summary.latencyP50Ms === undefined ? [] : [`p50 ${formatSeconds(summary.latencyP50Ms)}`]),
  ];
  return `${toColumnLabel(summary.column, columns)}: ${facts.join(', ')}`;
}

function toAnswer({ text, toolCalls = [], status }: BatchGeneration): string {
  const calls = toolCalls.map(({ name, arguments: given }) => `tool call ${name}: ${JSON.stringify(given)}`);
  return [...(text === undefined || text === '' ? [] : [text]), ...calls].join('\n') || (text ?? status);
}

/** A page of results, one to a block of lines. */
export function formatBatchResults(generations: readonly BatchGeneration[], columns: readonly BatchColumn[]): string {
  return generations
    .map((one) => {
      const column = columns.find(({ number }) => number === one.column);
      const head = `[${one.itemId} · ${column === undefined ? one.column : toColumnLabel(column, columns)}]`;
      const failed = (one.assertions ?? []).filter(({ passed }) => !passed);
      const faults = failed.map(({ name, reason = 'failed' }) => `\n  ${name}: ${reason}`).join('');
      return `${head} ${one.error === undefined ? toAnswer(one) : `${one.status}: ${one.error.message}`}${faults}`;
    })
    .join('\n');
}
