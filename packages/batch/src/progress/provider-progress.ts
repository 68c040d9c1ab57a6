import { addCounts, type BatchCounts, type BatchLane, type BatchView, sumCounts } from '@aimm/contracts';

/** How a provider is asked by the batch just now. */
export interface ProviderPace {
  provider: string;
  lane: BatchLane;
  /** Calls under way; of a vendor's batch API what it has. */
  running: number;
  /** Generations that end in a minute. */
  perMinute?: number;
  limitPerMinute?: number;
  /** The provider asked all to wait for so long. */
  pausedForMs?: number;
  estimatedLeftMs?: number;
}

/** Where a batch stands at one provider. Its own batch API is a row of its own. */
export interface ProviderProgress {
  name: string;
  counts: BatchCounts;
  total: number;
  costNanoUsd: number;
  pace?: ProviderPace;
}

/** By provider and lane, in the order of the columns; what judges ask counts with the rest. */
export function toProviderProgress({ columns }: BatchView, paces: readonly ProviderPace[]): ProviderProgress[] {
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
