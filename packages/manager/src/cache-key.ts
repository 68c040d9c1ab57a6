import { createHash } from 'node:crypto';
import type { Catalog, ResolvedModel } from '@aimm/catalog';
import type { GeneratePayload } from '@aimm/contracts';
import type { GenerateAsk } from './asks.ts';

/** Whether an answer may be one that was given before, and be given again: as the request says, else by the rule. */
export function isCacheable(ask: Pick<GenerateAsk, 'cache' | 'settings'>, { routing }: Catalog): boolean {
  return ask.cache ?? (routing.cache.temperatureZero && ask.settings.temperature === 0);
}

/** Everything that changes the answer, and nothing else. `pool`: whose members are as good as each other. */
export function toCacheKey(
  { provider, model }: ResolvedModel,
  { messages, settings }: Pick<GenerateAsk, 'messages' | 'settings'>,
  pool?: string,
): string {
  const sorted = Object.fromEntries(Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const asked = pool === undefined ? [provider.id, provider.baseUrl, model] : ['pool', pool];
  return hash([...asked, messages, sorted]);
}

/** By what requests share a call: a fallback may answer in place of the model, so that fallbacks must be the same as well. */
export function toSlot(
  cacheKey: string,
  { fallbacks = [], fallBackOnFilter = false }: Partial<GeneratePayload>,
): string {
  return hash([cacheKey, fallbacks.map(({ provider, model }) => `${provider}/${model}`), fallBackOnFilter]);
}

function hash(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
