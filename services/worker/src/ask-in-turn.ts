import { toModelManagerError } from '@aimm/contracts';
import type { ModelProvider } from '@aimm/providers';
import { type KeyRing, type ProviderKey, toKeyFault } from './key-ring.ts';

/** Asks a provider with the key whose turn it is, and with the next one where that key is at fault. @throws what the last one met */
export async function askInTurn<T>(ring: KeyRing, ask: (provider: ModelProvider) => Promise<T>): Promise<T> {
  const refused = new Set<ProviderKey>();
  let failure: unknown;
  for (let key = ring.next(refused); key !== undefined; key = ring.next(refused)) {
    refused.add(key);
    try {
      return await ask(key.provider);
    } catch (error) {
      failure = error;
      if (toKeyFault(toModelManagerError(error)) === undefined) break;
    }
  }
  throw failure;
}
