import type { ProviderHealth } from '@aimm/contracts';
import type { Handler } from '@aimm/queue';
import type { KeyRing } from '../key-ring.ts';
import type { ProviderSet } from '../provider-set.ts';
import { requireProvider } from './require-provider.ts';

/** Many may ask at once, and a provider should not hear of it. */
const freshForMs = 5_000;

interface KnownHealth {
  ring: KeyRing;
  health: ProviderHealth;
}

/** Asks a provider how it is, with each of its keys; what is wrong is in the answer. */
export function createCheckHealth(providers: ProviderSet, now: () => number = Date.now): Handler<'check-health'> {
  const known = new Map<string, KnownHealth>();

  return async ({ provider, deep }, { signal }) => {
    const ring = requireProvider(providers, provider);
    const last = known.get(provider);
    // Who asks for a token to be spent is to have it spent.
    const usable = !deep && last?.ring === ring && now() - last.health.checkedAt < freshForMs;
    const health = usable ? last.health : await checkKeys(ring, { signal, deep });
    if (!signal.aborted && !usable) known.set(provider, { ring, health });
    const [keys, limits] = [ring.keyHealth(), ring.limits()];
    return { value: { ...health, ...(keys.length > 0 && { keys }), ...(limits !== undefined && { limits }) } };
  };
}

/** A provider is as well as it is with its best key; only one of them is asked to generate. */
async function checkKeys(
  ring: KeyRing,
  { signal, deep }: { signal: AbortSignal; deep: boolean },
): Promise<ProviderHealth> {
  const chosen = ring.next();
  const checks = await Promise.all(
    ring.keys.map(async (key) => ({
      key,
      health: await key.provider.checkHealth({ signal, deep: deep && key === chosen }),
    })),
  );
  const [first] = checks.toSorted((a, b) => rank(a) - rank(b));
  if (first === undefined) throw new TypeError('a provider has one key at least, be it none');
  return first.health;

  function rank({ key, health }: { key: (typeof checks)[number]['key']; health: ProviderHealth }): number {
    return (health.problem === undefined ? 0 : 2) + (key === chosen ? 0 : 1);
  }
}
