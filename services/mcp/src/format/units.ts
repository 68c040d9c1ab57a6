import { formatCost } from '@aimm/runtime/format';

export { formatCount, formatDuration as formatSeconds, formatPlural } from '@aimm/runtime/format';

/** Nano-dollars to dollars; null stays unknown. */
export function toUsd(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : nanoUsd / 1e9;
}

/** `$1.24`, `$0.00042`, `price unknown`. */
export function formatUsd(usd: number | null): string {
  return usd === null ? 'price unknown' : formatCost(usd * 1e9);
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function formatOrdinal(value: number): string {
  const endings = { one: 'st', two: 'nd', few: 'rd', other: 'th', zero: 'th', many: 'th' };
  return `${value}${endings[ordinals.select(value)]}`;
}
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });

/** Epoch milliseconds as ISO 8601, the way structured results give times. */
export function toIsoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
