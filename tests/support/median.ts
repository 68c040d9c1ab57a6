/** The middle of what was measured: what something takes, without the moments at which the machine was busy elsewhere. */
export function toMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
