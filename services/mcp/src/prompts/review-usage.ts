import type { Prompt } from '../define-prompt.ts';

export const reviewUsagePrompt: Prompt = {
  name: 'review_usage',
  title: 'Review usage',
  description: 'See what was asked and spent, what went wrong, and where money or time can be saved.',
  arguments: {
    period: {
      description: 'The time up to now: 1h, 24h, 7d, 30d or 365d.',
      required: false,
      complete: ['1h', '24h', '7d', '30d', '365d'],
    },
  },
  write: ({ period = '30d' }) =>
    [
      `Review how the models were used over the last ${period}.`,
      `1. Call get_usage_stats with period "${period}" four times: with group_by model, provider, day and tag.`,
      '2. Call check_health for the budgets and for providers that are not well.',
      '3. Report in this order: requests, tokens and cost in all; the three dearest models with their share; how the days developed; error rates above 2 % and what they may come from; p95 latencies that stand out. A cost of null, or unpriced calls, means that a price is unknown: say so, and do not count it as 0.',
      '4. Suggest what would save money or time (a smaller model, an alias, cached answers, a budget), with the figure that shows it. Change nothing without asking me.',
    ].join('\n'),
};
