import type { JsonResource } from '../define-resource.ts';
import { toUsageOutput } from '../format/usage.ts';

const dayMs = 86_400_000;

export const usageResource: JsonResource = {
  name: 'usage',
  uri: 'stats://usage',
  title: 'Usage and cost',
  description: 'Requests, tokens, cost, errors and latency of the last 24 hours and 30 days, by provider and model.',
  scopes: ['read'],
  cacheHint: { ttlMs: 5000, cacheScope: 'private' },
  read: async (manager, caller) => {
    const to = Date.now();
    const read = async (from: number) => {
      const [byProvider, byModel] = await Promise.all([
        manager.usage(caller, { from, to, groupBy: 'provider' }),
        manager.usage(caller, { from, to, groupBy: 'model' }),
      ]);
      const { groups, ...rest } = toUsageOutput(byProvider);
      return { ...rest, by_provider: groups, by_model: toUsageOutput(byModel).groups };
    };
    const [last24h, last30d] = await Promise.all([read(to - dayMs), read(to - 30 * dayMs)]);
    return { last_24h: last24h, last_30d: last30d };
  },
};
