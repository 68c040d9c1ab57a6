/** How fast `values` grow per unit of `times`: the median of all pairwise slopes, which a few odd samples do not move. */
export function fitSlope(samples: readonly { at: number; value: number }[]): number {
  const slopes = samples.flatMap((left, index) =>
    samples.slice(index + 1).map((right) => (right.value - left.value) / (right.at - left.at)),
  );
  if (slopes.length === 0) return 0;
  const sorted = slopes.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
