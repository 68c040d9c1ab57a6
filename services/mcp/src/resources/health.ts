import type { JsonResource } from '../define-resource.ts';
import { toHealthOutput } from '../format/health.ts';

export const healthResource: JsonResource = {
  name: 'health',
  uri: 'health://providers',
  title: 'Health',
  description: 'Which providers are reachable and take their key; the queue with its workers; the database. No keys.',
  cacheHint: { ttlMs: 5000, cacheScope: 'private' },
  scopes: ['read'],
  read: async (manager, caller) => toHealthOutput(await manager.health(caller, {})),
};
