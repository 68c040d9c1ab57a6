import { join } from 'node:path';
import type { Catalog, ConfigFault } from '@aimm/catalog';
import type { RawEnvironment, RuntimeEnvironment } from '@aimm/runtime';

/** Where Redis and the database are, and whether the providers asked for exist. A worker starts no Redis of its own. */
export function requireEndpoints(
  env: RuntimeEnvironment,
  raw: RawEnvironment,
  catalog: Catalog,
): { endpoints: { redisUrl: string; databaseUrl: string }; faults: ConfigFault[] } {
  const known = catalog.providers.map(({ id }) => id);
  const unknown = (env.WORKER_PROVIDERS ?? []).filter((id) => !known.includes(id));
  const faults: ConfigFault[] = unknown.map((id) => ({
    source: 'environment',
    path: 'WORKER_PROVIDERS',
    expected: `only providers of config/providers.json (${known.join(', ')}), not "${id}"`,
  }));
  // One that is set and at fault has been told as such.
  if (raw['REDIS_URL'] === undefined) {
    faults.push({
      source: 'environment',
      path: 'REDIS_URL',
      expected: 'the Redis of the stack; `aimm up` starts a local one with workers',
    });
  }
  return {
    faults,
    endpoints: {
      redisUrl: env.REDIS_URL ?? '',
      databaseUrl: env.DATABASE_URL ?? `file:${join(env.dataDir, 'aimm.db')}`,
    },
  };
}
