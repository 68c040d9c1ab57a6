import { toKnownCost, toKnownSavings, type UsageReport, type UsageTotals } from '@aimm/contracts';
import * as z from 'zod';
import { formatCount, formatPlural, formatSeconds, formatUsd, toIsoTime, toUsd } from './units.ts';

const totalsFields = {
  requests: z.int().describe('Each counts once, where its first call does.'),
  calls: z.int(),
  cached: z.int().describe('Requests answered without a call: from the cache, or by another that asked the same.'),
  succeeded: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  partial: z.int(),
  outcome_unknown: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_tokens: z.int(),
  cache_write_tokens: z.int(),
  reasoning_tokens: z.int(),
  cost_usd: z.number().nullable(),
  demo_cost_usd: z.number().optional(),
  unpriced_calls: z.int().describe('Calls of unknown price; cost_usd is without them.'),
  error_rate: z.number(),
  errors_by_code: z.record(z.string(), z.int()),
  saved_input_tokens: z.int().describe('Tokens and cost that the cached answers did not take.'),
  saved_output_tokens: z.int(),
  saved_usd: z.number().nullable(),
  unpriced_cached: z.int(),
  queue_p50_ms: z.number().optional(),
  queue_p95_ms: z.number().optional(),
  latency_p50_ms: z.number().optional(),
  latency_p95_ms: z.number().optional(),
  first_token_p50_ms: z.number().optional(),
  first_token_p95_ms: z.number().optional(),
};

export const UsageSchema = z.object({
  from: z.string(),
  to: z.string(),
  time_zone: z.string().optional(),
  widened: z
    .boolean()
    .optional()
    .describe('Single calls of that time are deleted: whole quarters of an hour were counted.'),
  totals: z.object(totalsFields),
  groups: z.array(z.object({ key: z.string(), ...totalsFields })),
});

/** `timeZone`: whose days the groups are, where it is told. */
export function toUsageOutput(report: UsageReport, timeZone?: string): z.input<typeof UsageSchema> {
  return {
    from: toIsoTime(report.from),
    to: toIsoTime(report.to),
    ...(timeZone !== undefined && { time_zone: timeZone }),
    ...(report.widened === true && { widened: true }),
    totals: toTotals(report.totals),
    groups: report.groups.map((group) => ({ key: group.key, ...toTotals(group) })),
  };
}

function toTotals(totals: UsageTotals) {
  return {
    requests: totals.requests,
    calls: totals.calls,
    cached: totals.cached,
    succeeded: totals.succeeded,
    failed: totals.failed,
    cancelled: totals.cancelled,
    partial: totals.partial,
    outcome_unknown: totals.outcomeUnknown,
    input_tokens: totals.inputTokens,
    output_tokens: totals.outputTokens,
    cache_read_tokens: totals.cacheReadTokens,
    cache_write_tokens: totals.cacheWriteTokens,
    reasoning_tokens: totals.reasoningTokens,
    cost_usd: toUsd(toKnownCost(totals)),
    ...(totals.demoNanoUsd > 0 && { demo_cost_usd: toUsd(totals.demoNanoUsd) ?? 0 }),
    unpriced_calls: totals.unpricedCalls,
    error_rate: totals.errorRate,
    errors_by_code: totals.errorsByCode,
    saved_input_tokens: totals.savedInputTokens,
    saved_output_tokens: totals.savedOutputTokens,
    saved_usd: toUsd(toKnownSavings(totals)),
    unpriced_cached: totals.unpricedCached,
    queue_p50_ms: totals.queueP50Ms,
    queue_p95_ms: totals.queueP95Ms,
    latency_p50_ms: totals.latencyP50Ms,
    latency_p95_ms: totals.latencyP95Ms,
    first_token_p50_ms: totals.firstTokenP50Ms,
    first_token_p95_ms: totals.firstTokenP95Ms,
  };
}

export function formatUsage(report: UsageReport): string {
  return [
    `${toIsoTime(report.from)} to ${toIsoTime(report.to)}${report.widened === true ? ' (widened: single calls of that time are deleted)' : ''}`,
    formatTotals('Total', report.totals),
    ...report.groups.map((group) => `- ${formatTotals(group.key, group)}`),
  ].join('\n');
}

function formatTotals(name: string, totals: UsageTotals): string {
  const facts = [
    formatPlural(totals.requests, 'request'),
    formatPlural(totals.calls, 'call'),
    totals.cached === 0 ? '' : `${formatCount(totals.cached)} from the cache (${formatSaved(totals)})`,
    formatEnds(totals),
    `${formatCount(totals.inputTokens)} in, ${formatCount(totals.outputTokens)} out tokens`,
    formatUsd(toUsd(toKnownCost(totals))),
    totals.demoNanoUsd === 0 ? '' : `demo answers that would have cost ${formatUsd(toUsd(totals.demoNanoUsd))}`,
    totals.unpricedCalls === 0 ? '' : `${formatPlural(totals.unpricedCalls, 'call')} of unknown price`,
    `${(totals.errorRate * 100).toFixed(1)} % errors${formatCodes(totals)}`,
    totals.latencyP50Ms === undefined ? '' : `p50 ${formatSeconds(totals.latencyP50Ms)}`,
    totals.latencyP95Ms === undefined ? '' : `p95 ${formatSeconds(totals.latencyP95Ms)}`,
    totals.firstTokenP50Ms === undefined ? '' : `first token p50 ${formatSeconds(totals.firstTokenP50Ms)}`,
    totals.queueP95Ms === undefined ? '' : `queue p95 ${formatSeconds(totals.queueP95Ms)}`,
  ];
  return `${name}: ${facts.filter((fact) => fact !== '').join(' · ')}`;
}

function formatSaved(totals: UsageTotals): string {
  const saved = toUsd(toKnownSavings(totals));
  return saved === null ? formatUsd(saved) : `saved ${formatUsd(saved)}`;
}

/** How the calls ended that did not succeed. A repeated call is one of its own. */
function formatEnds({ failed, cancelled, partial, outcomeUnknown }: UsageTotals): string {
  const ends = { failed, cancelled, partial, 'of unknown outcome': outcomeUnknown };
  return Object.entries(ends)
    .flatMap(([name, count]) => (count === 0 ? [] : `${formatCount(count)} ${name}`))
    .join(', ');
}

/** ` (timeout 3, rate_limited 1)`, or nothing. */
function formatCodes({ errorsByCode }: UsageTotals): string {
  const codes = Object.entries(errorsByCode).map(([code, times]) => `${code} ${formatCount(times)}`);
  return codes.length === 0 ? '' : ` (${codes.join(', ')})`;
}
