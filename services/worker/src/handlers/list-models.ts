import type { Handler } from '@aimm/queue';
import type { ProviderSet } from '../provider-set.ts';
import { requireProvider } from './require-provider.ts';

/** Asks a provider what it lists. */
export function createListModels(providers: ProviderSet): Handler<'list-models'> {
  return async ({ provider }, { signal }) => {
    const models = await requireProvider(providers, provider).listModels({ signal });
    return { value: { models, fetchedAt: Date.now() } };
  };
}
