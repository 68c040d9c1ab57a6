/** Numbers of which percentiles are wanted: eight bytes for each. */
export interface Samples {
  add(value: number): void;
  /** The smallest that at least this share of all (0 to 1) is not above; undefined where there are none. */
  percentile(share: number): number | undefined;
}

export function createSamples(): Samples {
  let values = new Float64Array(64);
  let count = 0;
  let sorted = true;
  return {
    add(value) {
      if (count === values.length) {
        const larger = new Float64Array(count * 2);
        larger.set(values);
        values = larger;
      }
      values[count] = value;
      count += 1;
      sorted = false;
    },
    percentile(share) {
      if (count === 0) return undefined;
      if (!sorted) values.subarray(0, count).sort();
      sorted = true;
      return values[Math.max(0, Math.ceil(share * count) - 1)];
    },
  };
}
