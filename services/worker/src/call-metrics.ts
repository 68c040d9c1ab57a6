import type { Catalog } from '@aimm/catalog';
import type { LedgerRow } from '@aimm/contracts';
import { otherModel, type Tally } from '@aimm/runtime';

/** Counts what becomes of calls. Every row is counted once, by the process that made it, when the call ended. */
export interface CallMetrics {
  ended(row: LedgerRow): void;
  /** A job was taken up that another worker left in the middle. */
  recovered(provider: string): void;
  /** A call is made again because nobody knows how the one before ended. */
  repeated(provider: string): void;
  /** The provider asked all of us to wait. */
  paused(provider: string, code: string): void;
}

export function createCallMetrics(tally: Tally, catalog: Pick<Catalog, 'hasEntry'>): CallMetrics {
  return {
    ended(row) {
      const { provider, status } = row;
      const model = catalog.hasEntry(provider, row.model) ? row.model : otherModel;
      tally.count('calls', { provider, model, status });
      if (row.errorCode !== undefined) tally.count('callErrors', { provider, code: row.errorCode });
      for (const [kind, count] of Object.entries(tokensOf(row)))
        tally.count('tokens', { provider, model, kind }, count);
      // A demo answer is nobody's money.
      if (!row.demo) {
        if (row.costNanoUsd === null) tally.count('unpricedCalls', { provider });
        else tally.count('cost', { provider, model }, row.costNanoUsd);
      }
      if (row.providerMs !== undefined) tally.observe('callSeconds', { provider, status }, row.providerMs);
      if (row.firstTokenMs !== undefined) tally.observe('firstTokenSeconds', { provider }, row.firstTokenMs);
      // A later call of the same request waited for other reasons.
      if (row.callNumber === 1 && row.queueMs !== undefined) {
        tally.observe('queueSeconds', { provider, lane: row.lane }, row.queueMs);
      }
    },
    recovered: (provider) => tally.count('recoveries', { provider }),
    repeated: (provider) => tally.count('repeatedCalls', { provider }),
    paused: (provider, code) => tally.count('providerPauses', { provider, code }),
  };
}

function tokensOf(row: LedgerRow): Record<string, number> {
  return {
    input: row.inputTokens ?? 0,
    output: row.outputTokens ?? 0,
    cache_read: row.cacheReadTokens ?? 0,
    cache_write: row.cacheWriteTokens ?? 0,
    reasoning: row.reasoningTokens ?? 0,
  };
}
