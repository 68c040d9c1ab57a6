import { describe, expect, it } from 'vitest';
import { parseCount, parseList, parseNumber, parsePeriod } from '../src/parse-options.ts';

describe('command line values', () => {
  const now = Date.UTC(2026, 10, 22, 15, 30);

  it.each([
    ['24h', Date.UTC(2026, 10, 21, 15, 30)],
    ['7d', Date.UTC(2026, 10, 15, 15, 30)],
    ['2w', Date.UTC(2026, 10, 8, 15, 30)],
    ['today', Date.UTC(2026, 10, 22)],
    ['month', Date.UTC(2026, 10, 1)],
    ['all', 0],
  ])('reads the period %s', (value, expected) => {
    expect(parsePeriod(value, now)).toBe(expected);
  });

  it.each(['', '0d', '7', 'd', '7x', 'yesterday'])('refuses the period %j', (value) => {
    expect(() => parsePeriod(value, now)).toThrow('expected 24h');
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
  });
});
