import type { Usage } from '@aimm/contracts';

type Count = number | null | undefined;

/** Counts as a vendor gave them, already in our meaning: input with cached, output with reasoning. */
export interface Counts {
  input: Count;
  output: Count;
  cacheRead?: Count;
  cacheWrite?: Count;
  reasoning?: Count;
  /** Of the input, and of what was read from the cache. */
  audio?: Count;
  audioCacheRead?: Count;
}

/** What is no count stays absent; the total is known when both sides are. */
export function toUsage({ input, output, cacheRead, cacheWrite, reasoning, audio, audioCacheRead }: Counts): Usage {
  const total = isCount(input) && isCount(output) ? input + output : undefined;
  return {
    ...(isCount(input) && { inputTokens: input }),
    ...(isCount(output) && { outputTokens: output }),
    ...(isCount(cacheRead) && { cacheReadTokens: cacheRead }),
    ...(isCount(cacheWrite) && { cacheWriteTokens: cacheWrite }),
    ...(isCount(reasoning) && { reasoningTokens: reasoning }),
    ...(isCount(audio) && { audioTokens: audio }),
    ...(isCount(audioCacheRead) && { audioCacheReadTokens: audioCacheRead }),
    ...(total !== undefined && { totalTokens: total }),
  };
}

/** Adds what is known; unknown when nothing is. */
export function sumOf(...counts: Count[]): number | undefined {
  const known = counts.filter(isCount);
  return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0);
}

/** Beyond it lies no answer, but a counter that some server let underflow; databases keep whole numbers up to here. */
const mostTokens = 2 ** 31 - 1;

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= mostTokens;
}
