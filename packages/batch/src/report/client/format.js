/** `$1.24`, `$0.00042`. */
export function formatUsd(usd) {
  if (usd === null || usd === undefined) return 'unknown';
  if (usd === 0 || usd >= 0.01) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(Math.min(9, 1 - Math.floor(Math.log10(usd))))}`;
}

/** Beside an axis, where two cents and two and a half are not the same: `$0.025`, `$0.50`. */
export function formatUsdTick(usd) {
  const exact = String(Number(usd.toPrecision(3)));
  return usd >= 0.01 && /\.\d{3,}$/.test(exact) ? `$${exact}` : formatUsd(usd);
}

/** `850 ms`, `1.2 s`. */
export function formatMs(ms) {
  if (ms === undefined) return '–';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
}

export function formatCount(count) {
  return count === undefined ? '–' : count.toLocaleString('en-US');
}

/** A share of 0 to 1. */
export function formatShare(share) {
  if (share === undefined) return '–';
  const percent = share * 100;
  return `${percent > 99 && percent < 100 ? Math.min(99.9, percent).toFixed(1) : Math.round(percent)} %`;
}

export function formatTime(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
