import type { ErrorCode, ErrorShape, GeneratePayload } from '@aimm/contracts';

/** What another model cannot mend, or nobody wants mended. */
const final: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'invalid_request',
  'budget_exceeded',
  'outcome_unknown',
  'internal',
]);

/**
 * The same request at its next fallback: a job of its own in that provider's queue, under the same request id.
 * Undefined where there is none, or where another model would not help. `calls` were made by this hop.
 */
export function toNextHop(
  payload: GeneratePayload,
  error: ErrorShape,
  calls: number,
  now: number,
): GeneratePayload | undefined {
  const [next, ...rest] = payload.fallbacks ?? [];
  if (next === undefined || final.has(error.code) || now >= payload.deadlineAt) return undefined;
  const { startBy: _startBy, cache: _cache, ...kept } = payload;
  const asked = `${payload.provider}/${payload.request.model}`;
  return {
    ...kept,
    provider: next.provider,
    request: { ...payload.request, model: next.model },
    attempts: next.attempts,
    timeoutMs: next.timeoutMs,
    fallbacks: rest,
    fallbackFrom: payload.fallbackFrom ?? asked,
    hop: (payload.hop ?? 0) + 1,
    callsBefore: (payload.callsBefore ?? 0) + calls,
    warnings: [
      ...payload.warnings,
      ...next.warnings,
      {
        code: 'other',
        message: `${asked} failed (${error.code}: ${error.message}); ${next.provider}/${next.model} was asked instead.`,
      },
    ],
  };
}
