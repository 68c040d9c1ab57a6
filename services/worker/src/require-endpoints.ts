import { join } from 'node:path';
import type { ConfigFault, RawEnvironment, RuntimeEnvironment } from '@aimm/runtime';

/** Where Redis and the database are. A worker starts no Redis of its own. */
export function requireEndpoints(
  env: RuntimeEnvironment,
  raw: RawEnvironment,
): { endpoints: { redisUrl: string; databaseUrl: string }; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
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
