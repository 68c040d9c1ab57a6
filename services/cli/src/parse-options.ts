import { InvalidArgumentError } from 'commander';

/** A whole number from `min` on, for commander. */
export function parseCount(min: number): (value: string) => number {
  return (value) => {
    const count = Number(value);
    if (value.trim() === '' || !Number.isInteger(count) || count < min) {
      throw new InvalidArgumentError(`expected a whole number from ${min}`);
    }
    return count;
  };
}

export function parseNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === '' || !(number >= min && number <= max)) {
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}`);
    }
    return number;
  };
}

/** `a,b` → `['a', 'b']`. */
export function parseList(value: string): string[] {
  const items = value.split(',').flatMap((item) => item.trim() || []);
  if (items.length === 0) throw new InvalidArgumentError('expected names separated by commas');
  return items;
}

const dayMs = 86_400_000;

/** `24h`, `7d`, `4w`, `today`, `month`, `all` → when it began, in epoch milliseconds (UTC). */
export function parsePeriod(value: string, now = Date.now()): number {
  const at = new Date(now);
  if (value === 'all') return 0;
  if (value === 'today') return now - (now % dayMs);
  if (value === 'month') return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(value) ?? [];
  const unitMs = { h: dayMs / 24, d: dayMs, w: 7 * dayMs }[unit ?? ''];
  if (unitMs === undefined || Number(count) === 0) {
    throw new InvalidArgumentError('expected 24h, 7d, 4w, today, month or all');
  }
  return now - Number(count) * unitMs;
}
