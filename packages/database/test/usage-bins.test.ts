import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  addBins,
  addToBins,
  type Bins,
  findPercentiles,
  fromBin,
  readBins,
  readValues,
  toBin,
  writeBins,
} from '../src/usage-bins.ts';

const milliseconds = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }));
const options = { seed: 20261122 };

it('keeps every value to within 1/128, and small ones as they are', () => {
  fc.assert(
    fc.property(milliseconds, (value) => {
      const kept = fromBin(toBin(value));
      expect(Math.abs(kept - value)).toBeLessThanOrEqual(value < 128 ? 0 : value / 128);
    }),
    options,
  );
});

it('joins texts as it adds histograms', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(milliseconds, { minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 5 }),
      (parts) => {
        const all: Bins = new Map();
        const texts = parts.map((values) => {
          const bins: Bins = new Map();
          for (const value of values) addToBins(bins, toBin(value));
          addBins(all, bins);
          return writeBins(bins);
        });
        const sorted = (bins: Bins) => [...bins].toSorted(([left], [right]) => left - right);
        expect(sorted(readBins(texts.join('')))).toEqual(sorted(all));
        expect(sorted(readValues(parts.flat().join(',')))).toEqual(sorted(all));
      },
    ),
    options,
  );
});

it('finds percentiles by nearest rank', () => {
  expect(findPercentiles(readValues('5,1,4,2,3'), [50, 95, 100])).toEqual([3, 5, 5]);
  expect(findPercentiles(new Map(), [50])).toEqual([undefined]);
});
