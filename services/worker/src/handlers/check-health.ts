import type { Handler } from '@aimm/queue';
import type { ProviderSet } from '../provider-set.ts';
import { requireProvider } from './require-provider.ts';

/** Asks a provider how it is; what is wrong is in the answer. */
export function createCheckHealth(providers: ProviderSet): Handler<'check-health'> {
  return async ({ provider, deep }, { signal }) => ({
    value: await requireProvider(providers, provider).checkHealth({ signal, deep }),
  });
}
