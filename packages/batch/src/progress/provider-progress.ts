import type { BatchCounts, BatchView } from '@aimm/contracts';
import { addCounts } from '../summary/summarise-columns.ts';

/** What is known of how fast a provider is asked, over all that asks it; requests a minute. */
export interface ProviderPace {
  perMinute?: number | undefined;
  /** As configured, or as the provider says. */
  limitPerMinute?: number | undefined;
}

/** Where a batch stands at one provider. Its own batch API is a row of its own. */
export interface ProviderProgress {
  name: string;
  provider: string;
  counts: BatchCounts;
  total: number;
  costNanoUsd: number;
}

/** By provider and lane, in the order of the columns; what judges ask counts with the rest. */
export function toProviderProgress({ columns }: BatchView): ProviderProgress[] {
  const groups = new Map<string, ProviderProgress>();
  for (const { column, counts, costNanoUsd } of columns) {
    const name = column.lane === 'queue' ? column.provider : `${column.provider} (batch)`;
    const before = groups.get(name);
    groups.set(name, {
      name,
      provider: column.provider,
      counts: before === undefined ? counts : addCounts([before.counts, counts]),
      total: (before?.total ?? 0) + toTotal(counts),
      costNanoUsd: (before?.costNanoUsd ?? 0) + costNanoUsd,
    });
  }
  return [...groups.values()];
}

/** All there are, in whatever state. */
function toTotal(counts: BatchCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Those of which nothing more will come. */
export function toEnded({ succeeded, failed, cancelled, skipped }: BatchCounts): number {
  return succeeded + failed + cancelled + skipped;
}
