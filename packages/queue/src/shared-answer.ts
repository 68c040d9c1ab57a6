import { GenerationResult, type GeneratePayload, type LedgerRow, type Outcome } from '@aimm/contracts';

/** What somebody gets who did not make the call: the same answer, for nothing. */
export function toSharedResult(result: GenerationResult, requestId: string): GenerationResult {
  // By what name the other asked for it is the other's.
  const { alias: _alias, ...answer } = result;
  return { ...answer, requestId, cached: true, calls: 0, costNanoUsd: 0 };
}

/** How a request ended whose call another made. */
export function toSharedOutcome(outcome: Outcome, requestId: string): Outcome {
  if (outcome.status === 'failed') return outcome;
  const parsed = GenerationResult.safeParse(outcome.value);
  return parsed.success ? { status: 'succeeded', value: toSharedResult(parsed.data, requestId) } : outcome;
}

/** What a follower is more than what it asks. */
export type Follower = Omit<GeneratePayload, 'request'>;

type Asked = Pick<GeneratePayload, 'requestId' | 'client' | 'tags' | 'lane' | 'parentId'>;

/** The ledger row of an answer that took no call: it cost nothing, and has the counts of the call that was saved. `at`: epoch ms. */
export function toCachedRow(asked: Asked, result: GenerationResult, at: number): LedgerRow {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens, estimated } = result.usage;
  return {
    requestId: asked.requestId,
    callNumber: 1,
    ...(asked.parentId !== undefined && { parentId: asked.parentId }),
    provider: result.provider,
    model: result.model,
    ...(result.answeredBy !== undefined && { answeredBy: result.answeredBy }),
    status: 'succeeded',
    client: asked.client,
    tags: asked.tags,
    lane: asked.lane,
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    estimated: estimated ?? false,
    costNanoUsd: 0,
    ...(result.costNanoUsd !== null && { savedNanoUsd: result.costNanoUsd }),
    cached: true,
    demo: result.warnings.some(({ code }) => code === 'demo'),
    startedAt: at,
    finishedAt: at,
  };
}

/** Whether an answer may be given to somebody who asks later: whole, wanted as it is, and a vendor's. */
export function isWorthKeeping({ finishReason, warnings }: GenerationResult): boolean {
  const isWhole = finishReason.unified === 'stop' || finishReason.unified === 'tool_calls';
  return isWhole && !warnings.some(({ code }) => code === 'demo');
}

/** Whether a call was not tried again only because the request's own client had read the beginning. */
export function isBrokenOff(
  outcome: Outcome,
  { stream, allowRestart }: Partial<GeneratePayload>,
  rows: readonly LedgerRow[],
): outcome is Extract<Outcome, { status: 'failed' }> {
  if (outcome.status === 'succeeded' || stream !== true || allowRestart === true) return false;
  return outcome.error.retryable && rows.at(-1)?.status === 'partial';
}

/**
 * Whether a failure is the request's own, which those who wait for the same call do not share: it was cancelled, or ran out of its
 * own time. What a provider said is everybody's.
 */
export function isOwnFailure(
  outcome: Outcome,
  { startBy, stream, allowRestart }: Partial<GeneratePayload> = {},
  rows: readonly LedgerRow[] = [],
): boolean {
  if (outcome.status === 'succeeded') return false;
  const { code, retryable } = outcome.error;
  if (isBrokenOff(outcome, { stream, allowRestart }, rows)) return true;
  // A provider that asks to wait ends those only who would not wait so long.
  if (code === 'rate_limited' || code === 'overloaded') return retryable && startBy !== undefined;
  return code === 'cancelled' || (code === 'timeout' && !retryable);
}
