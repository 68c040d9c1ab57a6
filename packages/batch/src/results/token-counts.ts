import type { Usage } from '@aimm/contracts';

/** Token counts under the names that tools and result files give them; a count that is unknown is absent. */
export function toTokenCounts(usage: Usage) {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    reasoning_tokens: usage.reasoningTokens,
    total_tokens: usage.totalTokens,
    estimated: usage.estimated,
  };
}
