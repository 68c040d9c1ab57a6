import type { BatchEndpoint } from '@aimm/providers';
import type { ProviderKey } from '../key-ring.ts';
import type { ProviderSet } from '../provider-set.ts';

export interface KeyedEndpoint {
  endpoint: BatchEndpoint;
  key: ProviderKey;
}

/** Of the key that is to be used next. */
export function findEndpoint(providers: ProviderSet, provider: string): KeyedEndpoint | undefined {
  const key = providers.find(provider)?.next();
  const endpoint = key?.provider.batches;
  return key === undefined || endpoint === undefined || !key.provider.isAvailable() ? undefined : { endpoint, key };
}

/** Of the key that a submission went out with: the vendor shows it to no other account. */
export function findEndpointOf(
  providers: ProviderSet,
  { provider, keyId }: { provider: string; keyId?: string },
): KeyedEndpoint | undefined {
  const key = providers.find(provider)?.keys.find(({ name }) => name?.id === keyId);
  const endpoint = key?.provider.batches;
  return key === undefined || endpoint === undefined ? undefined : { endpoint, key };
}

/**
 * By which a submission may be found again: of its own key; where that is gone of every key that there is, since one that was
 * removed and added again, moved into the database or came with an import has another name.
 */
export function listEndpointsOf(
  providers: ProviderSet,
  submission: { provider: string; keyId?: string },
): KeyedEndpoint[] {
  const own = findEndpointOf(providers, submission);
  if (own !== undefined) return [own];
  return (providers.find(submission.provider)?.keys ?? []).flatMap((key) => {
    const endpoint = key.provider.batches;
    return endpoint === undefined || !key.provider.isAvailable() ? [] : [{ endpoint, key }];
  });
}
