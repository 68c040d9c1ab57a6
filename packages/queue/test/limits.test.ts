import { describe, expect, test } from 'vitest';
import { toLimiter } from '../src/limits.ts';

describe("a provider's limiter", () => {
  test.each([1, 30, 60, 61, 500, 3_000, 100_000])('lets twice as many start as %i requests a minute', (perMinute) => {
    const { max, duration } = toLimiter(perMinute);
    expect((max / duration) * 60_000).toBeLessThanOrEqual(perMinute * 2);
    expect((max / duration) * 60_000).toBeGreaterThan(perMinute * 1.98);
  });

  test('works in windows of about a second, or of one request where that takes longer', () => {
    expect(toLimiter(600)).toEqual({ max: 20, duration: 1_000 });
    expect(toLimiter(6)).toEqual({ max: 1, duration: 5_000 });
  });

  test('is there without a limit, too, so that a pause holds', () => {
    expect(toLimiter(undefined).max).toBeGreaterThan(1_000_000);
  });
});
