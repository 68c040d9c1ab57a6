import { describe, expect, test } from 'vitest';
import { toStartsPerSecond } from '../src/pace.ts';

/** As workers publish it: starts, milliseconds they took, when the last was. */
const told = (...measures: [number, number, number][]) =>
  Object.fromEntries(measures.map((measure, index) => [`worker-${index}`, measure.join(' ')]));

describe('the pace of a queue', () => {
  test('is the sum over the workers that take from it now', () => {
    expect(toStartsPerSecond(told([20, 10_000, 100_000], [10, 10_000, 99_000]), 0, 100_000)).toBe(3);
  });

  test('leaves out a worker that stopped measuring while others went on', () => {
    expect(toStartsPerSecond(told([20, 10_000, 100_000], [10, 10_000, 30_000]), 0, 100_000)).toBe(2);
  });

  test('falls while somebody waits and nothing starts, and not while nobody waited', () => {
    expect(toStartsPerSecond(told([20, 10_000, 100_000]), 30_000, 130_000)).toBe(0.5);
    expect(toStartsPerSecond(told([20, 10_000, 100_000]), 0, 130_000)).toBe(2);
  });

  test('is unknown where nothing was measured lately', () => {
    expect(toStartsPerSecond({}, 5_000, 100_000)).toBeUndefined();
    expect(toStartsPerSecond(told([20, 10_000, 100_000]), 5_000, 1_000_000)).toBeUndefined();
  });
});
