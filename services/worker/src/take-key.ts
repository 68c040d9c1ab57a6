import type { GeneratePayload } from '@aimm/contracts';
import { generationJobId, type KeyLeases } from '@aimm/queue';
import { within } from '@aimm/runtime/within';
import type { KeyRing, ProviderKey } from './key-ring.ts';

/** A Redis that is slow, or away, holds no call up: it has been let in already. */
const patienceMs = 500;

/**
 * The key for a call: the one with the fewest calls under way, over all workers where there are several. A provider with one key costs no
 * round trip. `release` is to be called at the call's end.
 */
export async function takeKey(
  ring: KeyRing,
  payload: GeneratePayload,
  refused: ReadonlySet<ProviderKey>,
  leases: KeyLeases,
): Promise<{ key: ProviderKey | undefined; release: () => void }> {
  // Another job may have had the last good key set aside since this one looked: then any will do.
  const candidates = [ring.candidates(refused), ring.candidates()].find((some) => some.length > 0) ?? [];
  const names = candidates.flatMap(({ leaseName }) => leaseName ?? []);
  if (ring.keys.length > 1 && names.length === candidates.length && names.length > 0) {
    const job = { provider: payload.provider, jobId: generationJobId(payload) };
    const taking = leases.take(job, names).catch(() => undefined);
    const taken = await within(patienceMs, taking, () => undefined);
    const key = taken && candidates[taken.index];
    if (taken !== undefined && key !== undefined) {
      const end = ring.hold(key);
      return {
        key,
        release() {
          end();
          taken.release();
        },
      };
    }
    // It may still be taken, by nobody.
    void taking.then((late) => late?.release());
  }
  const key = ring.next(refused) ?? ring.next();
  return { key, release: key === undefined ? () => undefined : ring.hold(key) };
}
