import type { Catalog, ResolvedModel } from '@aimm/catalog';
import { type ErrorShape, type GeneratePayload, type GenerationResult, ModelManagerError } from '@aimm/contracts';
import { toCacheKey, toSlot } from './cache-key.ts';

/** How a request may share its answer: the key under which one is kept, and what its payload says of it. */
export interface Sharing {
  cacheKey: string;
  payload: Pick<GeneratePayload, 'cache' | 'flight'>;
}

/**
 * `asked` is what was asked first, of the model `resolved`; `goesTo` what is queued, which another model may answer: that
 * is shared by those who ask the same, and not kept as the first model's.
 */
export function toSharing(
  asked: GeneratePayload,
  goesTo: GeneratePayload,
  resolved: ResolvedModel,
  { routing }: Catalog,
): Sharing {
  const cacheKey = toCacheKey(resolved, asked.request, asked.pool);
  return {
    cacheKey,
    payload: {
      flight: { id: asked.requestId, slot: toSlot(cacheKey, asked) },
      ...(goesTo === asked && { cache: { key: cacheKey, ttlMs: routing.cache.ttlMs } }),
    },
  };
}

/** The end of one that was shown the text of another's call, which broke: as that of the one who made it. */
export function toBroken(reason: ErrorShape): ModelManagerError {
  return new ModelManagerError(reason.code, reason.message, {
    ...reason,
    hint: 'The answer broke off after text of it was shown. With allow_restart it would have begun again.',
  });
}

/** An answer that another's call brought: with what was said of this request, and its own times. Any other as it is. */
export function toOwnAnswer(payload: GeneratePayload, result: GenerationResult, at: number): GenerationResult {
  if (!result.cached) return result;
  const said = new Set(payload.warnings.map(({ message }) => message));
  return {
    ...result,
    ...(payload.alias !== undefined && { alias: payload.alias }),
    latency: { queueMs: 0, providerMs: 0, totalMs: Math.max(0, at - payload.enqueuedAt) },
    warnings: [...payload.warnings, ...result.warnings.filter(({ message }) => !said.has(message))],
  };
}
