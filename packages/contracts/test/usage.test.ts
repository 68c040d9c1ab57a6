import { describe, expect, it } from 'vitest';
import { toKnownCost, toKnownSavings, type UsageTotals } from '../src/index.ts';

// What they read of totals.
const cost = (given: Partial<UsageTotals>) =>
  toKnownCost({ costNanoUsd: 0, unpricedCalls: 0, succeeded: 0, ...given } as UsageTotals);
const savings = (given: Partial<UsageTotals>) =>
  toKnownSavings({ savedNanoUsd: 0, unpricedCached: 0, cached: 0, ...given } as UsageTotals);

describe('what calls cost', () => {
  it('is unknown where none of them has a price, however they ended', () => {
    expect(cost({ succeeded: 2, unpricedCalls: 2 })).toBeNull();
    expect(cost({ partial: 1, unpricedCalls: 1 })).toBeNull();
    expect(cost({ succeeded: 2, partial: 1, unpricedCalls: 3 })).toBeNull();
  });

  it('is what is known of it where some have one, and nothing where they are free', () => {
    expect(cost({ succeeded: 2, unpricedCalls: 1, costNanoUsd: 7 })).toBe(7);
    expect(cost({ partial: 1, unpricedCalls: 2, costNanoUsd: 7 })).toBe(7);
    expect(cost({ succeeded: 2, unpricedCalls: 1 })).toBe(0);
    expect(cost({ succeeded: 2 })).toBe(0);
    expect(cost({ failed: 1 })).toBe(0);
  });
});

it('what cached answers saved is unknown where none of them has a price', () => {
  expect(savings({ cached: 2, unpricedCached: 2 })).toBeNull();
  expect(savings({ cached: 2, unpricedCached: 1, savedNanoUsd: 7 })).toBe(7);
  expect(savings({})).toBe(0);
});
