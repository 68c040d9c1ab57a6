/** Nano-dollars to dollars; null stays unknown. */
export function toUsd(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : nanoUsd / 1e9;
}

/** `$1.24`, `$0.00042`, `price unknown`. Two significant digits below a cent. */
export function formatUsd(usd: number | null): string {
  if (usd === null) return 'price unknown';
  if (usd === 0 || usd >= 0.01) return `$${usd.toFixed(2)}`;
  const digits = Math.min(9, 1 - Math.floor(Math.log10(usd)));
  return `$${usd.toFixed(digits)}`;
}

/** `850 ms`, `1.2 s`, `3 min 20 s`. */
export function formatSeconds(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function formatOrdinal(value: number): string {
  const endings = { one: 'st', two: 'nd', few: 'rd', other: 'th', zero: 'th', many: 'th' };
  return `${value}${endings[ordinals.select(value)]}`;
}
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });

export function formatCount(value: number): string {
  return counts.format(value);
}
const counts = new Intl.NumberFormat('en-US');

/** `1 model`, `3 models`. */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Epoch milliseconds as ISO 8601, the way structured results give times. */
export function toIsoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
