import { UsageGroupBy } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatUsage, toUsageOutput, UsageSchema } from '../format/usage.ts';

const hourMs = 3_600_000;
const periodsMs = { '1h': hourMs, '24h': 24 * hourMs, '7d': 168 * hourMs, '30d': 720 * hourMs, '365d': 8760 * hourMs };

const Time = z.union([z.iso.date(), z.iso.datetime({ offset: true, local: true })], {
  error: 'expected a date like 2026-11-22 or a time like 2026-11-22T08:00:00Z',
});

export const getUsageStats = defineTool({
  name: 'get_usage_stats',
  title: 'Show usage and cost',
  description:
    'Adds up what was asked of the providers: requests, tokens, cost, error rate and latency, in all and by provider, model, day, client or tag.',
  input: z
    .strictObject({
      period: z
        .enum(['1h', '24h', '7d', '30d', '365d'])
        .optional()
        .describe('The time up to now; default 24h. Give this or from/to.'),
      from: Time.optional().describe('ISO 8601, inclusive; UTC unless it says otherwise.'),
      to: Time.optional().describe('ISO 8601, exclusive; default now.'),
      group_by: UsageGroupBy.optional(),
      provider: z.string().min(1).optional(),
      model: z.string().min(1).optional(),
      client: z.string().min(1).optional(),
      tag: z.string().min(1).optional(),
    })
    .superRefine(({ period, from, to }, ctx) => {
      const fault = (path: string, message: string) => ctx.addIssue({ code: 'custom', path: [path], message });
      if (period !== undefined && (from !== undefined || to !== undefined))
        fault('period', 'give period or from/to, not both');
      if (from === undefined && to !== undefined) fault('from', 'required with to');
      if (from !== undefined && toEpochMs(from) >= (to === undefined ? Date.now() : toEpochMs(to)))
        fault('from', 'must lie before to');
    }),
  output: UsageSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read'],
  async run(input, context) {
    const to = input.to === undefined ? Date.now() : toEpochMs(input.to);
    const from = input.from === undefined ? to - periodsMs[input.period ?? '24h'] : toEpochMs(input.from);
    const { provider, model, client, tag, group_by: groupBy } = input;
    const manager = await context.manager();
    const report = await manager.usage(context.caller, { from, to, groupBy, provider, model, client, tag });
    return { text: [formatUsage(report)], structured: toUsageOutput(report) };
  },
});

/** A time without a zone is UTC, as the days of the report are. */
function toEpochMs(time: string): number {
  const zoned = !time.includes('T') || /(Z|[+-]\d{2}:?\d{2})$/i.test(time);
  return Date.parse(zoned ? time : `${time}Z`);
}
