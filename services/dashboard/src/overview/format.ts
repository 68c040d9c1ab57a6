export { formatCost, formatCount, formatDuration, formatPlural } from '@aimm/runtime/format';

const percent = new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 1 });

/** 0 to 1 as a percentage. */
export function formatShare(share: number): string {
  return percent.format(share);
}

/** Epoch milliseconds as `2026-01-31 12:00:00 UTC`. */
export function formatTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
