import { describe, expect, test } from 'vitest';
import { toLimiter } from '../src/limits.ts';

describe("a provider's limiter", () => {
  test.each([1, 30, 60, 61, 500, 3_000, 100_000])('lets no more than %i requests a minute through', (perMinute) => {
    const { max, duration } = toLimiter(perMinute);
    expect((max / duration) * 60_000).toBeLessThanOrEqual(perMinute);
    expect((max / duration) * 60_000).toBeGreaterThan(perMinute * 0.99);
  });

  test('works in windows of about a second, or of one request where that takes longer', () => {
    expect(toLimiter(600)).toEqual({ max: 10, duration: 1_000 });
    expect(toLimiter(6)).toEqual({ max: 1, duration: 10_000 });
  });
});
