import { addCounts, type BatchCounts, type BatchProviderPace, type BatchView, sumCounts } from '@aimm/contracts';

/** Where a batch stands at one provider. Its own batch API is a row of its own. */
export interface ProviderProgress {
  name: string;
  counts: BatchCounts;
  total: number;
  costNanoUsd: number;
  pace?: BatchProviderPace;
}

/** By provider and lane, in the order of the columns; what judges ask counts with the rest. */
export function toProviderProgress({ columns }: BatchView, paces: readonly BatchProviderPace[]): ProviderProgress[] {
  const groups = new Map<string, ProviderProgress>();
  for (const { column, counts, costNanoUsd } of columns) {
    const name = column.lane === 'queue' ? column.provider : `${column.provider} (batch)`;
    const before = groups.get(name);
    const pace = paces.find(({ provider, lane }) => provider === column.provider && lane === column.lane);
    groups.set(name, {
      name,
      counts: before === undefined ? counts : addCounts([before.counts, counts]),
      total: (before?.total ?? 0) + sumCounts(counts),
      costNanoUsd: (before?.costNanoUsd ?? 0) + costNanoUsd,
      ...(pace !== undefined && { pace }),
    });
  }
  return [...groups.values()];
}
