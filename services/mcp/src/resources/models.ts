import type { JsonResource } from '../define-resource.ts';
import { toModelOutput } from '../format/model.ts';

export const modelsResource: JsonResource = {
  name: 'models',
  uri: 'models://catalog',
  title: 'Models',
  description:
    'Every model of the catalog, and what hosts list themselves, with prices, capabilities and availability.',
  cacheHint: { ttlMs: 60_000, cacheScope: 'private' },
  scopes: ['read', 'generate'],
  read: async (manager) => {
    const { models } = await manager.listModels({});
    return { models: models.map(toModelOutput) };
  },
};
