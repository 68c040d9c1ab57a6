import type { HistogramDefinition } from './definition.ts';
import { lastBucket, sumField } from './tally.ts';

/** One line of a histogram as it is shown. */
export interface SpreadValue {
  metricName: string;
  labels: Record<string, string | number>;
  value: number;
}

/**
 * Turns counted buckets into what Prometheus reads: cumulative, with sum and count. A bound that this release does not
 * have, since an earlier one counted by others, goes into the next higher.
 */
export function toSpread(
  definition: HistogramDefinition,
  rows: readonly { values: string[]; count: number }[],
): SpreadValue[] {
  const { name, labels, buckets } = definition;
  const groups = new Map<string, { labels: Record<string, string>; counts: number[]; above: number; sumMs: number }>();
  for (const { values, count } of rows) {
    const own = values.slice(0, labels.length);
    const key = JSON.stringify(own);
    const group = groups.get(key) ?? {
      labels: Object.fromEntries(labels.map((label, index) => [label, own[index] ?? ''])),
      counts: buckets.map(() => 0),
      above: 0,
      sumMs: 0,
    };
    groups.set(key, group);
    const last = values[labels.length];
    const place = last === lastBucket ? -1 : buckets.findIndex((bound) => Number(last) <= bound);
    if (last === sumField) group.sumMs += count;
    else if (place < 0) group.above += count;
    else group.counts[place] = (group.counts[place] ?? 0) + count;
  }
  return [...groups.values()].flatMap((group) => {
    let soFar = 0;
    const bounded = buckets.map((le, index) => {
      soFar += group.counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...group.labels, le }, value: soFar };
    });
    const count = soFar + group.above;
    return [
      ...bounded,
      { metricName: `${name}_bucket`, labels: { ...group.labels, le: lastBucket }, value: count },
      { metricName: `${name}_sum`, labels: group.labels, value: group.sumMs / 1_000 },
      { metricName: `${name}_count`, labels: group.labels, value: count },
    ];
  });
}
