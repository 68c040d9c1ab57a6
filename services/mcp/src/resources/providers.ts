import type { JsonResource } from '../define-resource.ts';
import { toProviderOutput } from '../format/model.ts';

export const providersResource: JsonResource = {
  name: 'providers',
  uri: 'config://providers',
  title: 'Providers',
  description: 'The configured providers with their endpoints and limits, and which are ready. No keys.',
  scopes: ['read', 'generate'],
  cacheHint: { ttlMs: 5000, cacheScope: 'private' },
  read: async (manager) => {
    const providers = await manager.listProviders();
    return { providers: providers.map(toProviderOutput) };
  },
};
