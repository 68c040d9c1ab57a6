import { ModelManagerError } from '@aimm/contracts';
import type { KeyRing } from '../key-ring.ts';
import type { ProviderSet } from '../provider-set.ts';

/** @throws unavailable: only where a queue is consumed that this worker does not serve */
export function requireProvider(providers: ProviderSet, id: string): KeyRing {
  const ring = providers.find(id);
  if (ring === undefined) throw new ModelManagerError('unavailable', `This worker does not serve "${id}".`);
  return ring;
}
