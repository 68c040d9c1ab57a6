import * as z from 'zod';
import { JsonObject, Message, ToolCallPart } from './messages.ts';

export const ResponseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string().optional(),
    schema: JsonObject,
  }),
]);
export type ResponseFormat = z.infer<typeof ResponseFormat>;

export const ToolDefinition = z.strictObject({
  name: z.string().min(1).max(128),
  description: z.string().optional(),
  /** JSON Schema of the arguments; an object schema. */
  parameters: JsonObject,
});
export type ToolDefinition = z.infer<typeof ToolDefinition>;

export const ToolChoice = z.union([z.enum(['auto', 'none', 'required']), z.strictObject({ name: z.string() })]);
export type ToolChoice = z.infer<typeof ToolChoice>;

export const ReasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
export type ReasoningEffort = z.infer<typeof ReasoningEffort>;

/** How to generate. A setting that a model does not take becomes a warning, never a silent drop. */
export const GenerationSettings = z.strictObject({
  maxOutputTokens: z.number().int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().min(0).max(1).optional(),
  topK: z.number().int().positive().optional(),
  stop: z.array(z.string().min(1)).max(16).optional(),
  seed: z.number().int().optional(),
  presencePenalty: z.number().min(-2).max(2).optional(),
  frequencyPenalty: z.number().min(-2).max(2).optional(),
  responseFormat: ResponseFormat.optional(),
  reasoningEffort: ReasoningEffort.optional(),
  tools: z.array(ToolDefinition).optional(),
  toolChoice: ToolChoice.optional(),
  serviceTier: z.string().optional(),
  userId: z.string().max(128).optional(),
  /** Whether the vendor is to keep the prompt's beginning for the next request: as it sees fit, or for so long. */
  promptCache: z.enum(['off', 'auto', '5m', '1h']).optional(),
});
export type GenerationSettings = z.infer<typeof GenerationSettings>;

/** What a provider is asked: the vendor's own model id, the whole conversation, the settings. */
export const GenerationRequest = z.strictObject({
  model: z.string().min(1),
  messages: z.array(Message).min(1),
  settings: GenerationSettings,
});
export type GenerationRequest = z.infer<typeof GenerationRequest>;

/** Token counts as the vendor reported them: `inputTokens` includes cached, `outputTokens` includes reasoning. Unknown is absent. */
export const Usage = z.object({
  inputTokens: z.number().int().nonnegative().optional(),
  outputTokens: z.number().int().nonnegative().optional(),
  cacheReadTokens: z.number().int().nonnegative().optional(),
  cacheWriteTokens: z.number().int().nonnegative().optional(),
  reasoningTokens: z.number().int().nonnegative().optional(),
  /** Of `inputTokens`, cached ones included, and of `cacheReadTokens`: what was heard. Told where audio has a price of its own. */
  audioTokens: z.number().int().nonnegative().optional(),
  audioCacheReadTokens: z.number().int().nonnegative().optional(),
  totalTokens: z.number().int().nonnegative().optional(),
  /** True where counts are our estimate because the vendor's never arrived. */
  estimated: z.boolean().optional(),
});
export type Usage = z.infer<typeof Usage>;

export const FinishReason = z.object({
  unified: z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'error', 'other']),
  /** The vendor's own word, where it gave one. */
  raw: z.string().optional(),
});
export type FinishReason = z.infer<typeof FinishReason>;

export const Warning = z.object({
  code: z.enum([
    'unsupported_setting',
    'adjusted_setting',
    'unknown_price',
    'unknown_model',
    'demo',
    'repeated_call',
    'other',
  ]),
  message: z.string(),
  setting: z.string().optional(),
});
export type Warning = z.infer<typeof Warning>;

export const Latency = z.object({
  /** From enqueue to the start of the first call. */
  queueMs: z.number().nonnegative(),
  /** From the start of the last call to its first text, reasoning or tool call. */
  firstTokenMs: z.number().nonnegative().optional(),
  /** The last call, start to end. */
  providerMs: z.number().nonnegative(),
  /** From enqueue to the result. */
  totalMs: z.number().nonnegative(),
});
export type Latency = z.infer<typeof Latency>;

export const GenerationResult = z.object({
  requestId: z.string(),
  provider: z.string(),
  /** The vendor's model id that was asked for. */
  model: z.string(),
  /** The vendor's model id that answered, where it said (an alias resolves to a dated id). */
  answeredBy: z.string().optional(),
  /** The vendor's word for the service tier that answered, where it said: its price is the cost's. */
  serviceTier: z.string().optional(),
  text: z.string(),
  reasoning: z.string().optional(),
  toolCalls: z.array(ToolCallPart).optional(),
  structured: z.json().optional(),
  finishReason: FinishReason,
  usage: Usage,
  /** Nano-dollars; null when the price is unknown. */
  costNanoUsd: z.number().int().nonnegative().nullable(),
  latency: Latency,
  /** Calls to the vendor that this request made, repeats included. */
  calls: z.number().int().nonnegative(),
  cached: z.boolean(),
  warnings: z.array(Warning),
  /** `provider/model` that was asked first, when a fallback answered. */
  fallbackFrom: z.string().optional(),
  /** The alias that was asked for, where one was. */
  alias: z.string().optional(),
});
export type GenerationResult = z.infer<typeof GenerationResult>;
