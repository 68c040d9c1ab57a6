import type { UsageTotals } from '@aimm/contracts';

/**
 * What is added up of a ledger row, and under which name in a report: the condition under which a row counts, and what it adds, in
 * SQL over `usage_stats`. Reports of single rows and roll-ups are made of the same.
 */
export const sumColumns = {
  // Counted where its first call is, and so once, however many calls and roll-ups it is in.
  requests: { name: 'requests', when: 'usage_stats.call_number = 1' },
  calls: { name: 'calls', when: 'NOT usage_stats.cached' },
  cached: { name: 'cached', when: 'usage_stats.cached' },
  succeeded: { name: 'succeeded', when: ended('succeeded') },
  failed: { name: 'failed', when: ended('failed') },
  cancelled: { name: 'cancelled', when: ended('cancelled') },
  partial: { name: 'partial', when: ended('partial') },
  outcome_unknown: { name: 'outcomeUnknown', when: ended('outcome_unknown') },
  input_tokens: { name: 'inputTokens', when: 'NOT usage_stats.cached', value: 'usage_stats.input_tokens' },
  output_tokens: { name: 'outputTokens', when: 'NOT usage_stats.cached', value: 'usage_stats.output_tokens' },
  cache_read_tokens: {
    name: 'cacheReadTokens',
    when: 'NOT usage_stats.cached',
    value: 'usage_stats.cache_read_tokens',
  },
  cache_write_tokens: {
    name: 'cacheWriteTokens',
    when: 'NOT usage_stats.cached',
    value: 'usage_stats.cache_write_tokens',
  },
  reasoning_tokens: { name: 'reasoningTokens', when: 'NOT usage_stats.cached', value: 'usage_stats.reasoning_tokens' },
  // What a demo answer would have cost is nobody's money, nor is what a copy of one would have.
  cost_nano_usd: {
    name: 'costNanoUsd',
    when: 'NOT usage_stats.cached AND NOT usage_stats.demo',
    value: 'usage_stats.cost_nano_usd',
  },
  demo_nano_usd: {
    name: 'demoNanoUsd',
    when: 'NOT usage_stats.cached AND usage_stats.demo',
    value: 'usage_stats.cost_nano_usd',
  },
  unpriced_calls: {
    name: 'unpricedCalls',
    // What broke off is paid for as far as it came. Where nothing is known to have come, no price is missing.
    when: `NOT usage_stats.cached AND NOT usage_stats.demo AND usage_stats.cost_nano_usd IS NULL
      AND (usage_stats.status = 'succeeded' OR COALESCE(usage_stats.input_tokens, usage_stats.output_tokens) IS NOT NULL)`,
  },
  saved_input_tokens: { name: 'savedInputTokens', when: 'usage_stats.cached', value: 'usage_stats.input_tokens' },
  saved_output_tokens: { name: 'savedOutputTokens', when: 'usage_stats.cached', value: 'usage_stats.output_tokens' },
  saved_nano_usd: {
    name: 'savedNanoUsd',
    when: 'usage_stats.cached AND NOT usage_stats.demo',
    value: 'usage_stats.saved_nano_usd',
  },
  unpriced_cached: {
    name: 'unpricedCached',
    when: 'usage_stats.cached AND NOT usage_stats.demo AND usage_stats.saved_nano_usd IS NULL',
  },
} as const satisfies Record<string, { name: keyof UsageTotals; when: string; value?: string }>;

/**
 * What a roll-up is of. Series (model, client and tags together) are many; what is asked of one of these at most, or of none, is
 * read from far fewer rows, and is therefore kept beside them.
 */
export const rollupScopes = ['all', 'model', 'client', 'tags', 'series'] as const;
export type RollupScope = (typeof rollupScopes)[number];

/** Milliseconds of which a report has percentiles: the column of the roll-up, and which rows have one. */
export const binColumns = {
  latency_bins: { of: 'usage_stats.provider_ms', when: ended('succeeded') },
  first_token_bins: { of: 'usage_stats.first_token_ms', when: ended('succeeded') },
  // A later call of a request did not wait for its place all that time.
  queue_bins: { of: 'usage_stats.queue_ms', when: 'NOT usage_stats.cached AND usage_stats.call_number = 1' },
} as const;

/** The code of a call that did not succeed, where it counts as an error. */
export const errorCode = `CASE WHEN NOT usage_stats.cached AND usage_stats.status IN ('failed', 'partial', 'outcome_unknown')
  THEN usage_stats.error_code END`;

export type SumColumn = keyof typeof sumColumns;
export type BinColumn = keyof typeof binColumns;
/** `Object.keys` says string; these are the keys of constants. */
export const sumNames = Object.keys(sumColumns) as SumColumn[];
export const binNames = Object.keys(binColumns) as BinColumn[];

function ended(status: string): string {
  return `NOT usage_stats.cached AND usage_stats.status = '${status}'`;
}

/** What one row adds to a sum. */
export function toAddend(column: SumColumn): string {
  const given: { when: string; value?: string } = sumColumns[column];
  return `CASE WHEN ${given.when} THEN ${given.value === undefined ? '1' : `COALESCE(${given.value}, 0)`} ELSE 0 END`;
}

/** A row's milliseconds, null where it has none that count. */
export function toMilliseconds(column: BinColumn): string {
  const { of, when } = binColumns[column];
  return `CASE WHEN ${when} THEN ${of} END`;
}

/** `rate_limited 3,timeout 1,`: one behind the other they can be added up. */
export function writeCounts(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([code, times]) => `${code} ${times},`).join('');
}

export function readCounts(counts: Map<string, number>, text: string): void {
  for (const entry of text.split(',')) {
    const [code = '', times] = entry.split(' ');
    if (times !== undefined) counts.set(code, (counts.get(code) ?? 0) + Number(times));
  }
}
