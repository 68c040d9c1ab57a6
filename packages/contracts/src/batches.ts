import * as z from 'zod';
import { ClientBudget, ClientLimits } from './access.ts';
import { ErrorShape } from './errors.ts';
import { FinishReason, GenerationSettings, Usage, Warning } from './generation.ts';
import { JsonObject, Message, ToolCallPart } from './messages.ts';

/**
 * A batch asks every item of every column. An **item** is one prompt; a **column** is one model with one variant of the
 * settings; each pair of them is one generation. A judge adds columns of its own, whose generations read those of others.
 */

const named = { name: z.string().min(1).max(100).optional() };
const text = { value: z.string(), ignoreCase: z.boolean().optional() };

/** What an answer is held against, without asking a model. `name` heads its column in results; default: its type. */
export const Assertion = z.discriminatedUnion('type', [
  z.strictObject({ ...named, type: z.literal('contains'), ...text }),
  z.strictObject({ ...named, type: z.literal('not_contains'), ...text }),
  /** The whole answer, but for white space around it. */
  z.strictObject({ ...named, type: z.literal('equals'), ...text }),
  z.strictObject({ ...named, type: z.literal('regex'), pattern: z.string(), flags: z.string().optional() }),
  /** The answer is JSON that the schema takes; without a schema, JSON. */
  z.strictObject({ ...named, type: z.literal('json_schema'), schema: JsonObject.optional() }),
  /** How alike the two are, 0 to 1, by edits. */
  z.strictObject({
    ...named,
    type: z.literal('similarity'),
    value: z.string(),
    threshold: z.number().min(0).max(1),
  }),
  z.strictObject({ ...named, type: z.literal('max_cost'), nanoUsd: z.number().int().nonnegative() }),
  /** The last call, start to end. */
  z.strictObject({ ...named, type: z.literal('max_latency'), ms: z.number().nonnegative() }),
]);
export type Assertion = z.infer<typeof Assertion>;

/** `score`: 0 to 1, where there is more to say than whether it passed. `reason`: why it did not. */
export const AssertionOutcome = z.object({
  name: z.string(),
  passed: z.boolean(),
  score: z.number().optional(),
  reason: z.string().optional(),
});
export type AssertionOutcome = z.infer<typeof AssertionOutcome>;

/** One prompt, its variables filled in. `settings` go before the column's, which go before the batch's. */
export const BatchItem = z.strictObject({
  /** The user's own, else its number; unique in the batch. */
  id: z.string().min(1).max(200),
  messages: z.array(Message).min(1),
  /** What it was made of, to be shown beside the answers. */
  vars: JsonObject.optional(),
  settings: GenerationSettings.optional(),
  assertions: z.array(Assertion).optional(),
});
export type BatchItem = z.infer<typeof BatchItem>;

/** One way to ask each model; a batch has at least one. */
export const BatchVariant = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  settings: GenerationSettings,
});
export type BatchVariant = z.infer<typeof BatchVariant>;

/** `queue`: our workers ask, any provider. `provider_batch`: the vendor's batch API, at its price and in its time. */
export const BatchLane = z.enum(['queue', 'provider_batch']);
export type BatchLane = z.infer<typeof BatchLane>;

/** The kinds of providers whose vendors have a batch API that is spoken here. */
export const batchApiKinds: readonly string[] = ['openai', 'anthropic', 'google', 'mistral'];

/** `scores`: each answer by itself, 0 to 10. `pairwise`: every two answers to an item, each pair in both orders. */
export const JudgeMode = z.enum(['scores', 'pairwise']);
export type JudgeMode = z.infer<typeof JudgeMode>;

export const BatchColumn = z.object({
  /** From 0, in the order asked; columns that are added later come after. Never used again. */
  number: z.number().int().nonnegative(),
  provider: z.string(),
  /** The vendor's model id. */
  model: z.string(),
  lane: BatchLane,
  /** The name of its variant, where the batch has several. */
  variant: z.string().optional(),
  /** Of a judge's column: the columns whose answers it reads, one (scores) or two (a pair, in this order). */
  judges: z.array(z.number().int().nonnegative()).min(1).max(2).optional(),
});
export type BatchColumn = z.infer<typeof BatchColumn>;

/** What a judge said of one answer (`score`) or of two (`winner`). */
export const BatchVerdict = z.object({
  score: z.number().min(0).max(10).optional(),
  winner: z.enum(['first', 'second', 'tie']).optional(),
  reason: z.string().optional(),
});
export type BatchVerdict = z.infer<typeof BatchVerdict>;

/**
 * `waiting`: not in a queue yet. `queued`: in a queue, or being called. `skipped`: there is nothing to judge, an answer
 * that it would read having failed.
 */
export const BatchGenerationStatus = z.enum(['waiting', 'queued', 'succeeded', 'failed', 'cancelled', 'skipped']);
export type BatchGenerationStatus = z.infer<typeof BatchGenerationStatus>;

/** One item asked of one column, and what came of it. Times are milliseconds, money is nano-dollars. */
export const BatchGeneration = z.object({
  item: z.number().int().nonnegative(),
  itemId: z.string(),
  column: z.number().int().nonnegative(),
  status: BatchGenerationStatus,
  /** The request that asks, or asked last. */
  requestId: z.string().optional(),
  text: z.string().optional(),
  /** Functions that the model asked for; nothing is run. */
  toolCalls: z.array(ToolCallPart).optional(),
  structured: z.json().optional(),
  finishReason: FinishReason.optional(),
  /** Of a failure: of its calls, as far as they were counted. */
  usage: Usage.optional(),
  /** Null: the price is unknown. */
  costNanoUsd: z.number().int().nonnegative().nullable().optional(),
  /** Enqueue to first call; last call's start to first text; last call, start to end. */
  queueMs: z.number().nonnegative().optional(),
  firstTokenMs: z.number().nonnegative().optional(),
  providerMs: z.number().nonnegative().optional(),
  warnings: z.array(Warning).optional(),
  error: ErrorShape.optional(),
  /** In the order of its assertions: the batch's, then the item's. */
  assertions: z.array(AssertionOutcome).optional(),
  verdict: BatchVerdict.optional(),
  endedAt: z.number().optional(),
});
export type BatchGeneration = z.infer<typeof BatchGeneration>;

/** `paused`: nothing new is queued until it is resumed; `pausedBecause` says why, where nobody asked for it. */
export const BatchStatus = z.enum(['running', 'paused', 'completed', 'cancelled']);
export type BatchStatus = z.infer<typeof BatchStatus>;

export const BatchCounts = z.record(BatchGenerationStatus, z.number().int().nonnegative());
export type BatchCounts = z.infer<typeof BatchCounts>;

/** What one column came to. Percentiles over its succeeded generations' last calls, absent where there are none. */
export const BatchColumnSummary = z.object({
  column: BatchColumn,
  counts: BatchCounts,
  /** Of those with assertions: how many passed all of them. */
  passed: z.number().int(),
  asserted: z.number().int(),
  /** How often each assertion passed, by its name. */
  assertions: z.record(z.string(), z.object({ passed: z.number().int(), of: z.number().int() })),
  /** Items at which a judge, asked in both orders, named it both times; the other one; or neither. */
  wins: z.number().int(),
  losses: z.number().int(),
  ties: z.number().int(),
  /** Mean of the judge's scores, 0 to 10; absent where it gave none. */
  score: z.number().optional(),
  costNanoUsd: z.number().int(),
  /** Answers, and failures that used tokens, whose price is unknown: the cost is without them. */
  unpriced: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  latencyP50Ms: z.number().optional(),
  latencyP95Ms: z.number().optional(),
  firstTokenP50Ms: z.number().optional(),
  /** Failures by code. */
  errors: z.record(z.string(), z.number().int()),
});
export type BatchColumnSummary = z.infer<typeof BatchColumnSummary>;

export const BatchView = z.object({
  batchId: z.string(),
  client: z.string(),
  name: z.string().optional(),
  status: BatchStatus,
  pausedBecause: z.string().optional(),
  /** What keeps vendors' batch APIs from going on with it, though it is not paused; it may pass. */
  waitsBecause: z.string().optional(),
  items: z.number().int(),
  /** Generations, the judge's included. */
  total: z.number().int(),
  counts: BatchCounts,
  /** Before it was started; null where a price is unknown. */
  estimatedCostNanoUsd: z.number().int().nullable(),
  maxCostNanoUsd: z.number().int().optional(),
  /** What was spent; demo answers cost nothing. */
  costNanoUsd: z.number().int(),
  /** Models of it were asked for while the demo stood in for their providers; what it answers is made up. */
  demo: z.boolean().optional(),
  /** In the order of their numbers, a judge's included. */
  columns: z.array(BatchColumnSummary),
  createdAt: z.number(),
  endedAt: z.number().optional(),
  /** Until it is likely to end; absent where nothing is known of its pace. */
  estimatedLeftMs: z.number().optional(),
});
export type BatchView = z.infer<typeof BatchView>;

/** How a provider is asked by a batch just now; a vendor's batch API is told apart by its lane. */
export interface BatchProviderPace {
  provider: string;
  lane: BatchLane;
  /** Calls of the batch under way; of a batch API what the vendor has. */
  running: number;
  /** Generations of the batch that end in a minute; absent where none has, or where it rests. */
  perMinute?: number;
  /** What may be asked of the provider by all of us together, as configured. */
  limitPerMinute?: number;
  /** The provider asked all to wait for so long. */
  pausedForMs?: number;
  estimatedLeftMs?: number;
}

/** The model that judges: asked as any other, its answers read as verdicts. */
export const BatchJudge = z.object({
  provider: z.string(),
  model: z.string(),
  mode: JudgeMode,
  criteria: z.string().optional(),
});
export type BatchJudge = z.infer<typeof BatchJudge>;

/** What holds for all generations of a batch, as it is stored. */
export const BatchSpec = z.object({
  settings: GenerationSettings,
  variants: z.array(BatchVariant).min(1),
  assertions: z.array(Assertion),
  judge: BatchJudge.optional(),
  tags: z.array(z.string()),
  timeoutMs: z.number().int().positive().optional(),
  /** Of the access token that it was started with. */
  clientLimits: ClientLimits.optional(),
  clientBudgets: z.array(ClientBudget).optional(),
});
export type BatchSpec = z.infer<typeof BatchSpec>;

/** How a column asks: what a worker needs that knows no preferences. */
export const BatchTemplate = z.object({
  attempts: z.number().int().positive(),
  timeoutMs: z.number().int().positive(),
  contextWindow: z.number().optional(),
  settings: GenerationSettings,
  /** For items that bring no instructions of their own. */
  system: z.string().optional(),
  /** The alias that was asked for, where one was. */
  alias: z.string().optional(),
  warnings: z.array(Warning),
  /** The demo stood in for its provider when it was asked for. */
  demo: z.boolean().optional(),
  /** What one of its generations is expected to cost on average; null where the price is unknown. */
  expectedNanoUsd: z.number().nullable(),
});
export type BatchTemplate = z.infer<typeof BatchTemplate>;

/** The place that a generation has in its batch, as its job carries it. */
export const BatchPlace = z.object({
  id: z.string(),
  item: z.number().int().nonnegative(),
  column: z.number().int().nonnegative(),
  /** The batch's and the item's. */
  assertions: z.array(Assertion).optional(),
  /** Its answer is a verdict of this form. */
  judge: JudgeMode.optional(),
});
export type BatchPlace = z.infer<typeof BatchPlace>;

/** How a generation of a batch ended, on its way to the database. */
export const BatchRecord = BatchGeneration.omit({ itemId: true }).extend({
  batchId: z.string(),
  requestId: z.string(),
  endedAt: z.number(),
});
export type BatchRecord = z.infer<typeof BatchRecord>;
