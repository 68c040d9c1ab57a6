const integer = new Intl.NumberFormat('en-US');
const percent = new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 1 });

export function formatCount(count: number): string {
  return integer.format(count);
}

/** 0 to 1 as a percentage. */
export function formatShare(share: number): string {
  return percent.format(share);
}

/** Nano-dollars as dollars: cents from a dollar on, below that four digits that matter. */
export function formatCost(nanoUsd: number): string {
  const usd = nanoUsd / 1e9;
  if (usd === 0 || usd >= 1)
    return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${usd.toLocaleString('en-US', { maximumSignificantDigits: 3 })}`;
}

/** Milliseconds, in the largest unit that says enough. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** Epoch milliseconds as `2026-01-31 12:00:00 UTC`. */
export function formatTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
