import type { BatchColumn, BatchGeneration } from '@aimm/contracts';
import { type BatchResult, hasPassed, toPromptText, toSystemText } from './batch-result.ts';
import { toTokenCounts } from './token-counts.ts';

/**
 * One generation as it is exported, in snake_case: money in dollars, times in milliseconds, instants in ISO 8601. What is
 * not known is absent; a `cost_usd` of null is a price that nobody knows. Fields are added, never renamed.
 */
export function toResultRecord({ item }: BatchResult, column: BatchColumn, generation: BatchGeneration) {
  const system = toSystemText(item);
  return {
    item: item.id,
    number: generation.item,
    prompt: toPromptText(item),
    ...(system !== undefined && { system }),
    ...(item.vars !== undefined && { vars: item.vars }),
    model: `${column.provider}/${column.model}`,
    ...(column.variant !== undefined && { variant: column.variant }),
    lane: column.lane,
    ...(column.judges !== undefined && { judges: column.judges }),
    ...toAnswerRecord(generation),
  };
}

/** What came of a generation, without what was asked. */
export function toAnswerRecord(generation: BatchGeneration) {
  const { usage, costNanoUsd, error, verdict } = generation;
  const passed = hasPassed(generation);
  return {
    column: generation.column,
    status: generation.status,
    ...(generation.requestId !== undefined && { job_id: generation.requestId }),
    ...(generation.text !== undefined && { text: generation.text }),
    ...(generation.toolCalls !== undefined && { tool_calls: generation.toolCalls }),
    ...(generation.structured !== undefined && { structured: generation.structured }),
    ...(generation.finishReason !== undefined && { finish_reason: generation.finishReason.unified }),
    ...(usage !== undefined && {
      usage: toTokenCounts(usage),
    }),
    ...(costNanoUsd !== undefined && { cost_usd: costNanoUsd === null ? null : costNanoUsd / 1e9 }),
    ...(generation.queueMs !== undefined && { queue_ms: generation.queueMs }),
    ...(generation.firstTokenMs !== undefined && { first_token_ms: generation.firstTokenMs }),
    ...(generation.providerMs !== undefined && { latency_ms: generation.providerMs }),
    ...(passed !== undefined && { passed, assertions: generation.assertions }),
    ...(verdict !== undefined && { verdict }),
    ...(generation.warnings !== undefined && { warnings: generation.warnings.map(({ message }) => message) }),
    ...(error !== undefined && {
      error: { code: error.code, message: error.message, hint: error.hint, retryable: error.retryable },
    }),
    ...(generation.endedAt !== undefined && { ended_at: new Date(generation.endedAt).toISOString() }),
  };
}
