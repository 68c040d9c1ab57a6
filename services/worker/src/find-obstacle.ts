import type { Catalog } from '@aimm/catalog';
import type { GeneratePayload, ModelManagerError } from '@aimm/contracts';
import { notConfigured, removedProvider, toCancelled, tooLate } from './generation-errors.ts';
import type { KeyRing } from './key-ring.ts';

/** Why no call may be made for the request, where that is so. `now`: by the clock of deadlines; `ring`: its provider's, where served. */
export function findObstacle(
  payload: GeneratePayload,
  { ring, catalog, signal, now }: { ring: KeyRing | undefined; catalog: Catalog; signal: AbortSignal; now: number },
): ModelManagerError | undefined {
  const { provider, deadlineAt, startBy } = payload;
  if (signal.aborted) return toCancelled(signal.reason);
  if (now >= deadlineAt) return tooLate('The request waited past its deadline.', provider);
  if (startBy !== undefined && now >= startBy) {
    return tooLate('The request waited longer than max_wait_seconds allows.', provider);
  }
  if (ring === undefined && catalog.findProvider(provider) === undefined) return removedProvider(provider);
  return ring?.isAvailable() === true ? undefined : notConfigured(provider, catalog, ring?.problem);
}
