import { isTimeZone, ModelManagerError, UsageGroupBy } from '@aimm/contracts';
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
    'Adds up what was asked of the providers: requests, tokens, cost, errors, latency, waiting and what the cache saved, in all and by provider, model, day, client or tag.',
  input: z
    .strictObject({
      period: z
        .enum(['1h', '24h', '7d', '30d', '365d', 'today', 'month'])
        .optional()
        .describe('The time up to now; default 24h. Give this or from/to.'),
      from: Time.optional().describe('ISO 8601, inclusive; in time_zone unless it says otherwise.'),
      to: Time.optional().describe('ISO 8601, exclusive; default now.'),
      group_by: UsageGroupBy.optional(),
      time_zone: z
        .string()
        .refine(isTimeZone, 'expected the name of a time zone like Europe/Berlin')
        .optional()
        .describe('Whose days, today and month are meant, as an IANA name; default UTC.'),
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
    }),
  output: UsageSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read'],
  async run(input, context) {
    const { provider, model, client, tag, group_by: groupBy, time_zone: timeZone = 'UTC' } = input;
    const { from, to } = await toSpan(input, timeZone);
    const manager = await context.manager();
    const query = { from, to, groupBy, timeZone, provider, model, client, tag };
    const report = await manager.usage(context.caller, query);
    return { text: [formatUsage(report)], structured: toUsageOutput(report, timeZone) };
  },
});

interface Asked {
  period?: keyof typeof periodsMs | 'today' | 'month' | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** @throws invalid_request where nothing lies between */
async function toSpan({ period = '24h', from, to }: Asked, timeZone: string): Promise<{ from: number; to: number }> {
  // Loaded by the first question: a front is to be up at once.
  const { parseTime, toStartOfDay, toStartOfMonth } = await import('@aimm/runtime/calendar');
  const now = Date.now();
  const end = to === undefined ? now : parseTime(to, timeZone);
  if (from !== undefined) {
    const start = parseTime(from, timeZone);
    if (start < end) return { from: start, to: end };
    throw new ModelManagerError(
      'invalid_request',
      'Invalid arguments for get_usage_stats:\n- from: must lie before to',
      {
        hint: 'Nothing was done. Correct this and call get_usage_stats again.',
      },
    );
  }
  switch (period) {
    case 'today':
      return { from: toStartOfDay(now, timeZone), to: end };
    case 'month':
      return { from: toStartOfMonth(now, timeZone), to: end };
    default:
      return { from: end - periodsMs[period], to: end };
  }
}
