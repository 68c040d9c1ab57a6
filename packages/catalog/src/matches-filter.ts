import type { ModelInfo } from '@aimm/contracts';
import type { ModelFilter } from './catalog.ts';

/** Whether a model is one of those looked for: `search` are words, each of which its name or id holds in any case. */
export function matchesFilter(
  model: Pick<ModelInfo, 'provider' | 'id' | 'name' | 'capabilities'>,
  { provider, capability, search }: ModelFilter,
): boolean {
  if (provider !== undefined && model.provider !== provider) return false;
  if (capability !== undefined && model.capabilities?.includes(capability) !== true) return false;
  if (search === undefined) return true;
  const haystack = `${model.provider}/${model.id} ${model.name ?? ''}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}
