import { expect, test } from 'vitest';
import { formatCost, formatDuration, formatShare } from '../src/format.ts';

test('money has cents at least, and two digits that count where it is less', () => {
  const sums = [0, 420_000, 4_200_000, 123_456_789, 1_500_000_000, 1_234_567_890_000, 1, null];
  expect(sums.map(formatCost)).toEqual([
    '$0.00',
    '$0.00042',
    '$0.0042',
    '$0.12',
    '$1.50',
    '$1,234.57',
    '$0.000000001',
    'unknown',
  ]);
});

test('durations come in the unit that says enough, and never as 60 of one', () => {
  const [second, minute, hour] = [1_000, 60_000, 3_600_000];
  const times = [12.4, 999.4, 999.6, 1.5 * second, 9.96 * second, 59.6 * second, 200 * second, 5 * minute];
  expect([...times, 2 * hour + 5 * minute, 3 * hour, 72 * hour, undefined].map(formatDuration)).toEqual([
    '12 ms',
    '999 ms',
    '1.0 s',
    '1.5 s',
    '10 s',
    '1 min',
    '3 min 20 s',
    '5 min',
    '2 h 5 min',
    '3 h',
    '3 days',
    '–',
  ]);
});

test('a share is 0 % of none only and 100 % of all only', () => {
  expect([formatShare(0, 9), formatShare(1, 9_999), formatShare(9_998, 9_999), formatShare(9, 9)]).toEqual([
    '0 %',
    '0.1 %',
    '99.9 %',
    '100 %',
  ]);
  expect(formatShare(0, 0)).toBe('–');
});
