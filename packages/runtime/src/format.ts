/** One for each number of digits: to make one takes longer than all else that an answer's text does. */
const amounts = new Map<number, Intl.NumberFormat>();
const counts = new Intl.NumberFormat('en-US');

/** `$1,234.50`, `$1.24`, `$0.00042`, `unknown`: at least cents, and two digits that count. Input in nano-dollars. */
export function formatCost(nanoUsd: number | null): string {
  if (nanoUsd === null) return 'unknown';
  const usd = nanoUsd / 1e9;
  const digits = usd === 0 || usd >= 0.01 ? 2 : Math.min(9, 1 - Math.floor(Math.log10(usd)));
  const amount =
    amounts.get(digits) ??
    new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  amounts.set(digits, amount);
  return `$${amount.format(usd)}`;
}

/** `850 ms`, `1.2 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 days`; `–` where it is not known. */
export function formatDuration(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${ms < 9_950 ? (ms / 1_000).toFixed(1) : seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min${seconds % 60 === 0 ? '' : ` ${seconds % 60} s`}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
  return `${Math.round(hours / 24)} days`;
}

/** `1,234`; `–` where it is not known. */
export function formatCount(count: number | undefined): string {
  return count === undefined ? '–' : counts.format(count);
}

/** `1 model`, `1,234 models`. */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `92 %`; `99.9 %` is never shown as 100, and some is never 0; `–` of nothing. */
export function formatShare(part: number, of: number): string {
  if (of === 0) return '–';
  const percent = (100 * part) / of;
  if (part === of || part === 0) return `${percent} %`;
  return `${Math.min(99.9, Math.max(0.1, percent)).toFixed(percent > 99 || percent < 1 ? 1 : 0)} %`;
}
