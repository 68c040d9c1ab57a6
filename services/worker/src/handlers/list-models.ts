import type { Handler } from '@aimm/queue';
import { askInTurn } from '../ask-in-turn.ts';
import type { ProviderSet } from '../provider-set.ts';
import { requireProvider } from './require-provider.ts';

/** Asks a provider what it lists. */
export function createListModels(providers: ProviderSet): Handler<'list-models'> {
  return async ({ provider }, { signal }) => {
    const ring = requireProvider(providers, provider);
    const models = await askInTurn(ring, (one) => one.listModels({ signal }));
    return { value: { models, fetchedAt: Date.now() } };
  };
}
