import * as z from 'zod';

export const UsageGroupBy = z.enum(['provider', 'model', 'day', 'client', 'tag']);
export type UsageGroupBy = z.infer<typeof UsageGroupBy>;

/** Which calls to add up. Times are epoch milliseconds, `from` inclusive and `to` exclusive. */
export const UsageQuery = z.object({
  from: z.number(),
  to: z.number(),
  groupBy: UsageGroupBy.optional(),
  provider: z.string().optional(),
  model: z.string().optional(),
  client: z.string().optional(),
  tag: z.string().optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

/** Sums over ledger rows. Money in integer nano-dollars; latencies in milliseconds over succeeded calls. */
export const UsageTotals = z.object({
  /** Distinct requests. */
  requests: z.number().int(),
  calls: z.number().int(),
  /** Requests that were answered without a call of their own: in no other number here but `requests`. */
  cached: z.number().int(),
  succeeded: z.number().int(),
  failed: z.number().int(),
  cancelled: z.number().int(),
  partial: z.number().int(),
  outcomeUnknown: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  cacheReadTokens: z.number().int(),
  cacheWriteTokens: z.number().int(),
  reasoningTokens: z.number().int(),
  costNanoUsd: z.number().int(),
  /** Succeeded calls whose price is unknown: their cost is not in the sum. */
  unpricedCalls: z.number().int(),
  /** (failed + partial + outcome unknown) ÷ calls; 0 without calls. */
  errorRate: z.number(),
  latencyP50Ms: z.number().optional(),
  latencyP95Ms: z.number().optional(),
  firstTokenP50Ms: z.number().optional(),
  firstTokenP95Ms: z.number().optional(),
});
export type UsageTotals = z.infer<typeof UsageTotals>;

export const UsageReport = z.object({
  from: z.number(),
  to: z.number(),
  totals: UsageTotals,
  groups: z.array(UsageTotals.extend({ key: z.string() })),
});
export type UsageReport = z.infer<typeof UsageReport>;
