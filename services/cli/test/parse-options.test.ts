import { describe, expect, it } from 'vitest';
import {
  parseCount,
  parseList,
  parseListOrNone,
  parseNumber,
  parsePeriod,
  parseTimeZone,
  parseToolChoice,
  toPeriodStart,
} from '../src/parse-options.ts';

describe('command line values', () => {
  const now = Date.UTC(2026, 10, 22, 15, 30);

  it.each([
    ['24h', 'UTC', Date.UTC(2026, 10, 21, 15, 30)],
    ['7d', 'UTC', Date.UTC(2026, 10, 15, 15, 30)],
    ['2w', 'Asia/Kathmandu', Date.UTC(2026, 10, 8, 15, 30)],
    ['today', 'UTC', Date.UTC(2026, 10, 22)],
    ['today', 'Asia/Kathmandu', Date.UTC(2026, 10, 21, 18, 15)],
    ['month', 'UTC', Date.UTC(2026, 10, 1)],
    ['month', 'Europe/Berlin', Date.UTC(2026, 9, 31, 23)],
    ['all', 'UTC', 0],
  ])('reads the period %s in %s', async (value, timeZone, expected) => {
    expect(await toPeriodStart(parsePeriod(value), timeZone, now)).toBe(expected);
  });

  it('takes a word for the choice of tools, or the name of one', () => {
    expect(['auto', 'none', 'required', 'get_weather'].map(parseToolChoice)).toEqual([
      'auto',
      'none',
      'required',
      { name: 'get_weather' },
    ]);
  });

  it('takes the names of time zones only', () => {
    expect(parseTimeZone('Europe/Berlin')).toBe('Europe/Berlin');
    expect(() => parseTimeZone('Berlin')).toThrow('like Europe/Berlin');
  });

  it.each(['', '0d', '7', 'd', '7x', 'yesterday'])('refuses the period %j', (value) => {
    expect(() => parsePeriod(value)).toThrow('expected 24h');
  });

  it.each(['', ' ', '1.5', '-1', 'many'])('refuses the count %j', (value) => {
    expect(() => parseCount(1)(value)).toThrow('expected a whole number');
  });

  it('keeps numbers within their bounds', () => {
    expect(parseNumber(0, 2)('0.7')).toBe(0.7);
    expect(() => parseNumber(0, 2)('2.1')).toThrow('from 0 to 2');
    expect(() => parseNumber(0, 2)('NaN')).toThrow('from 0 to 2');
  });

  it('splits lists and drops what is empty', () => {
    expect(parseList('a, b,,c ')).toEqual(['a', 'b', 'c']);
    expect(() => parseList(' , ')).toThrow('separated by commas');
    expect(() => parseList('')).toThrow('separated by commas');
  });

  it('takes an empty text for an empty list where that has a meaning', () => {
    expect(parseListOrNone('')).toEqual([]);
    expect(parseListOrNone('a,b')).toEqual(['a', 'b']);
    expect(() => parseListOrNone(' , ')).toThrow('separated by commas');
  });
});
