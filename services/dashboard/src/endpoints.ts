import { findStack, startPatienceMs, toStackPaths } from '@aimm/local-stack';
import type { ConfigFault, RuntimeEnvironment } from '@aimm/runtime';

export interface Endpoints {
  redisUrl: string;
  databaseUrl: string;
}

/**
 * Where Redis and the database are: as the environment says, else those of the local stack that runs in the data
 * directory. A dashboard starts none by itself.
 * @throws StackStartError when a stack is about to start there and cannot
 */
export async function findEndpoints(
  env: Pick<RuntimeEnvironment, 'REDIS_URL' | 'DATABASE_URL' | 'dataDir'>,
): Promise<{ endpoints: Endpoints; faults: ConfigFault[] }> {
  const { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl, dataDir } = env;
  if (redisUrl !== undefined) {
    return {
      endpoints: { redisUrl, databaseUrl: databaseUrl ?? `file:${toStackPaths(dataDir).databaseFile}` },
      faults: [],
    };
  }
  const stack = await findStack(dataDir, startPatienceMs);
  if (stack === undefined) {
    const expected = `the Redis to show, since no local stack runs in ${dataDir} (\`aimm up\` starts one and brings a dashboard)`;
    return {
      endpoints: { redisUrl: '', databaseUrl: '' },
      faults: [{ source: 'environment', path: 'REDIS_URL', expected }],
    };
  }
  const { info } = stack;
  await stack.close();
  if (databaseUrl !== undefined && databaseUrl !== info.databaseUrl) {
    const expected = `unset, or the database of the local stack that runs in ${dataDir} (\`aimm status\` shows it)`;
    return {
      endpoints: { redisUrl: '', databaseUrl: '' },
      faults: [{ source: 'environment', path: 'DATABASE_URL', expected }],
    };
  }
  return { endpoints: { redisUrl: info.redisUrl, databaseUrl: info.databaseUrl }, faults: [] };
}
