import * as z from 'zod';
import { ErrorCode } from './errors.ts';

export const UsageGroupBy = z.enum(['provider', 'model', 'day', 'client', 'tag']);
export type UsageGroupBy = z.infer<typeof UsageGroupBy>;

/** Which calls to add up. Times are epoch milliseconds, `from` inclusive and `to` exclusive. */
export const UsageQuery = z.object({
  from: z.number(),
  to: z.number(),
  groupBy: UsageGroupBy.optional(),
  /** Whose days `groupBy: 'day'` means, as an IANA name; absent: UTC. */
  timeZone: z.string().optional(),
  provider: z.string().optional(),
  model: z.string().optional(),
  client: z.string().optional(),
  tag: z.string().optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

/** Whole, and exact below 2^53: nine million dollars. A larger sum is told as near as a number comes to it. */
const Money = z.number().refine(Number.isInteger, 'expected a whole number');

/**
 * Sums over ledger rows, exact. Money in integer nano-dollars. Percentiles in milliseconds by nearest rank, at most 0.8 % off
 * (exact below 128 ms): latency and first token over succeeded calls, the queue over first calls.
 */
export const UsageTotals = z.object({
  /** Each counts once, where its first call does: under that call's provider, model and day. */
  requests: z.number().int(),
  calls: z.number().int(),
  /** Requests that were answered without a call of their own: in no other number here but `requests` and what was saved. */
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
  costNanoUsd: Money,
  /** What demo answers would have cost; in no other sum. */
  demoNanoUsd: Money,
  /**
   * Calls that succeeded or have token counts, whose price is unknown: their cost is not in the sum. Demo answers are none of them,
   * nor of `unpricedCached`.
   */
  unpricedCalls: z.number().int(),
  /** (failed + partial + outcome unknown) ÷ calls; 0 without calls. */
  errorRate: z.number(),
  /** The calls of `errorRate` by what ended them. */
  errorsByCode: z.partialRecord(ErrorCode, z.number().int()),
  /** What the calls would have used that `cached` answers took the place of. */
  savedInputTokens: z.number().int(),
  savedOutputTokens: z.number().int(),
  savedNanoUsd: Money,
  /** Cached answers whose price is unknown: what they saved is not in the sum. */
  unpricedCached: z.number().int(),
  queueP50Ms: z.number().optional(),
  queueP95Ms: z.number().optional(),
  latencyP50Ms: z.number().optional(),
  latencyP95Ms: z.number().optional(),
  firstTokenP50Ms: z.number().optional(),
  firstTokenP95Ms: z.number().optional(),
});
export type UsageTotals = z.infer<typeof UsageTotals>;

export const UsageReport = z.object({
  /** The span that was counted: the one asked for, but where `widened`. */
  from: z.number(),
  to: z.number(),
  /** The rows that a quarter of an hour was to be cut by are deleted: the whole of it was counted. */
  widened: z.boolean().optional(),
  totals: UsageTotals,
  groups: z.array(UsageTotals.extend({ key: z.string() })),
});
export type UsageReport = z.infer<typeof UsageReport>;

/** What the calls cost, in nano-dollars; null where none of them has a price: 0 would say that they were free. */
export function toKnownCost({ costNanoUsd, unpricedCalls, succeeded }: UsageTotals): number | null {
  return costNanoUsd === 0 && unpricedCalls > 0 && unpricedCalls >= succeeded ? null : costNanoUsd;
}

/** What the cached answers saved, in nano-dollars; null where none of them has a price. */
export function toKnownSavings({ savedNanoUsd, unpricedCached, cached }: UsageTotals): number | null {
  return cached > 0 && unpricedCached === cached ? null : savedNanoUsd;
}
