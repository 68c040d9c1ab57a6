import { createHash } from 'node:crypto';
import type { ResolvedModel } from '@aimm/catalog';
import type { GenerateAsk } from './manager.ts';

export const answerCacheTtlMs = 3_600_000;

/** Everything that changes the answer, and nothing else. */
export function toCacheKey(
  { provider, model }: ResolvedModel,
  { messages, settings }: Pick<GenerateAsk, 'messages' | 'settings'>,
): string {
  const sorted = Object.fromEntries(Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256')
    .update(JSON.stringify([provider.id, provider.baseUrl, model, messages, sorted]))
    .digest('hex');
}
