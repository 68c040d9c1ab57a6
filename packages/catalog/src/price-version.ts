import { createHash } from 'node:crypto';
import type { ModelEntry, TierPrices } from './config-schemas.ts';

interface Priced {
  checkedOn: string;
  models: readonly ModelEntry[];
  serviceTiers: Readonly<Record<string, TierPrices>>;
}

/**
 * Names the prices of models.json in the ledger, as `models.json@2026-11-22+1f0c9a3e`: the day they were checked, and a hash over all of
 * them, so that an edit has another name, and processes with the same prices have one. Pure.
 */
export function toPriceVersion({ checkedOn, models, serviceTiers }: Priced): string {
  const priced = models
    .filter((entry) => entry.prices !== undefined || entry.serviceTiers !== undefined)
    .map(({ provider, id, prices, serviceTiers: tiers }) => [`${provider}/${id}`, { prices, tiers }]);
  const hash = createHash('sha256').update(JSON.stringify(inOrder([Object.fromEntries(priced), serviceTiers])));
  return `models.json@${checkedOn}+${hash.digest('hex').slice(0, 8)}`;
}

/** The same value, however its file was sorted. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, inOrder(field)]));
}
