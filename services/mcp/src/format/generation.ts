import { toTokenCounts } from '@aimm/batch/token-counts';
import { type GenerationResult, RequestStatus } from '@aimm/contracts';
import type { GenerationAnswer } from '@aimm/manager';
import * as z from 'zod';
import { ErrorSchema } from './error-schema.ts';
import { formatCount, formatSeconds, formatUsd, toUsd } from './units.ts';

const Count = z.int().optional();

const UsageSchema = z
  .object({
    input_tokens: Count,
    output_tokens: Count,
    cache_read_tokens: Count,
    cache_write_tokens: Count,
    reasoning_tokens: Count,
    total_tokens: Count,
    estimated: z.boolean().optional().describe('The counts are ours: the provider sent none.'),
  })
  .describe('As the provider counted; unknown counts are absent.');

/** One answer. Only `status` is always there: a job that was handed back, or failed, has no answer. */
export const generationFields = {
  job_id: z.string().optional(),
  status: RequestStatus,
  text: z.string().optional(),
  model: z.string().optional().describe('provider/model-id that answered.'),
  provider: z.string().optional(),
  finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'error', 'other']).optional(),
  usage: UsageSchema.optional(),
  cost_usd: z.number().nullable().optional().describe('null: the price of this model is unknown.'),
  latency_ms: z.number().optional(),
  queue_ms: z.number().optional(),
  first_token_ms: z.number().optional(),
  cached: z.boolean().optional(),
  conversation_id: z.string().optional(),
  warnings: z.array(z.string()).optional(),
  fallback_from: z.string().optional(),
  alias: z.string().optional().describe('The alias that the model was asked for by.'),
  reasoning: z.string().optional(),
  tool_calls: z
    .array(
      z.object({
        type: z.literal('tool_call'),
        id: z.string(),
        name: z.string(),
        arguments: z.record(z.string(), z.unknown()),
        vendor: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .optional()
    .describe('Put these into the assistant turn of messages as they are, then answer each with a tool turn.'),
  structured: z.unknown().optional().describe('The parsed value, where response_format asked for JSON.'),
  answered_by: z.string().optional().describe('The exact model id that the provider named.'),
  partial_text: z.string().optional().describe('Text so far, while status is running.'),
  error: ErrorSchema.optional(),
};
const GenerationOutput = z.object(generationFields);
export type GenerationOutput = z.input<typeof GenerationOutput>;

export function toGenerationOutput(answer: GenerationAnswer): GenerationOutput {
  const { usage } = answer;
  return {
    job_id: answer.requestId,
    status: 'succeeded',
    text: answer.text,
    model: `${answer.provider}/${answer.model}`,
    provider: answer.provider,
    finish_reason: answer.finishReason.unified,
    usage: toTokenCounts(usage),
    cost_usd: toUsd(answer.costNanoUsd),
    latency_ms: answer.latency.totalMs,
    queue_ms: answer.latency.queueMs,
    first_token_ms: answer.latency.firstTokenMs,
    cached: answer.cached,
    conversation_id: answer.conversationId,
    warnings: answer.warnings.map((warning) => warning.message),
    fallback_from: answer.fallbackFrom,
    alias: answer.alias,
    reasoning: answer.reasoning,
    tool_calls: answer.toolCalls,
    structured: answer.structured,
    answered_by: answer.answeredBy,
  };
}

/** The answer first, as the model gave it; then a block with what is to be known about it. */
export function formatGeneration(answer: GenerationAnswer): string[] {
  return [formatAnswer(answer), formatFooter(answer)];
}

/** The text; for an answer that only asks for tools, those. */
export function formatAnswer(answer: GenerationResult): string {
  const calls = (answer.toolCalls ?? []).map(
    (call) => `Tool call ${call.id}: ${call.name}(${JSON.stringify(call.arguments)})`,
  );
  const blocks = [answer.text, calls.join('\n')].filter((block) => block !== '');
  return blocks.length === 0 ? '(The model gave no text.)' : blocks.join('\n\n');
}

const endings: Partial<Record<GenerationResult['finishReason']['unified'], string>> = {
  length: 'cut off at max_output_tokens',
  content_filter: 'cut off by the provider’s content filter',
  error: 'broken off by an error',
};

/** `openai/gpt-5-mini · 12 in, 34 out tokens · $0.00042 · 1.2 s · gen_…`, and what is out of the ordinary. */
export function formatFooter(answer: GenerationAnswer): string {
  const facts = [
    `${answer.provider}/${answer.model}`,
    formatTokens(answer.usage),
    formatUsd(toUsd(answer.costNanoUsd)),
    formatSeconds(answer.latency.totalMs),
    answer.cached ? 'from the cache' : '',
    endings[answer.finishReason.unified] ?? '',
    answer.requestId,
    answer.conversationId ?? '',
  ].filter((fact) => fact !== '');
  const notes = [
    ...(answer.fallbackFrom === undefined ? [] : [`Asked in place of ${answer.fallbackFrom}, which failed.`]),
    ...answer.warnings.map((warning) => `Warning: ${warning.message}`),
  ];
  return [`[${facts.join(' · ')}]`, ...notes].join('\n');
}

function formatTokens({ inputTokens, outputTokens, estimated }: GenerationResult['usage']): string {
  if (inputTokens === undefined && outputTokens === undefined) return '';
  const count = (value: number | undefined) => (value === undefined ? '?' : formatCount(value));
  return `${estimated ? 'about ' : ''}${count(inputTokens)} in, ${count(outputTokens)} out tokens`;
}
