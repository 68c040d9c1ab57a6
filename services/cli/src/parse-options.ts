import { isTimeZone, type ToolChoice } from '@aimm/contracts';
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

/** A whole number, for commander. */
export function parseWhole(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(number)) throw new InvalidArgumentError('expected a whole number');
  return number;
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

/** One of the three words, else a tool's name. */
export function parseToolChoice(value: string): ToolChoice {
  if (value.trim() === '') throw new InvalidArgumentError('expected auto, none, required or the name of a tool');
  return value === 'auto' || value === 'none' || value === 'required' ? value : { name: value };
}

/** `a,b` → `['a', 'b']`. */
export function parseList(value: string): string[] {
  const items = value.split(',').flatMap((item) => item.trim() || []);
  if (items.length === 0) throw new InvalidArgumentError('expected names separated by commas');
  return items;
}

/** As `parseList`; an empty text is an empty list. */
export function parseListOrNone(value: string): string[] {
  return value.trim() === '' ? [] : parseList(value);
}

const dayMs = 86_400_000;

/** How far a report goes back: so many milliseconds, from the beginning of the day or month, or everything. */
export type Period = { backMs: number } | 'today' | 'month' | 'all';

/** `24h`, `7d`, `4w`, `today`, `month`, `all`, for commander. */
export function parsePeriod(value: string): Period {
  if (value === 'all' || value === 'today' || value === 'month') return value;
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(value) ?? [];
  const unitMs = { h: dayMs / 24, d: dayMs, w: 7 * dayMs }[unit ?? ''];
  if (unitMs === undefined || Number(count) === 0) {
    throw new InvalidArgumentError('expected 24h, 7d, 4w, today, month or all');
  }
  return { backMs: Number(count) * unitMs };
}

/** When the period began, in epoch milliseconds. */
export async function toPeriodStart(period: Period, timeZone: string, now = Date.now()): Promise<number> {
  if (period === 'all') return 0;
  if (typeof period === 'object') return now - period.backMs;
  const { toStartOfDay, toStartOfMonth } = await import('@aimm/runtime/calendar');
  return period === 'today' ? toStartOfDay(now, timeZone) : toStartOfMonth(now, timeZone);
}

/** The name of a time zone, for commander. */
export function parseTimeZone(value: string): string {
  if (!isTimeZone(value)) throw new InvalidArgumentError('expected the name of a time zone like Europe/Berlin');
  return value;
}
