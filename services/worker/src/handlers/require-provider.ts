import { ModelManagerError } from '@aimm/contracts';
import type { ModelProvider } from '@aimm/providers';
import type { ProviderSet } from '../provider-set.ts';

/** @throws unavailable: only where a queue is consumed that this worker does not serve */
export function requireProvider(providers: ProviderSet, id: string): ModelProvider {
  const provider = providers.find(id);
  if (provider === undefined) throw new ModelManagerError('unavailable', `This worker does not serve "${id}".`);
  return provider;
}
