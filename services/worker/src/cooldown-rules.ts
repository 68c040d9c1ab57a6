import type { Catalog } from '@aimm/catalog';
import type { CooldownRules } from '@aimm/queue';

/** When a provider is set aside, as its configuration says at the moment. */
export function toCooldownRules(catalog: Catalog): CooldownRules {
  return (id) => {
    const provider = catalog.findProvider(id);
    if (provider === undefined || provider.cooldown === false) return undefined;
    const { firstByteTimeoutMs, idleTimeoutMs, cooldown } = provider;
    return { firstByteTimeoutMs, idleTimeoutMs, settings: cooldown };
  };
}
