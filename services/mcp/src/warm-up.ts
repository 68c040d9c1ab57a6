import { findStack, startPatienceMs } from '@aimm/local-stack';
import type { Logger, RuntimeEnvironment } from '@aimm/runtime';
import type { LazyConnection } from './lazy-connection.ts';

export interface WarmUpOptions {
  env: Pick<RuntimeEnvironment, 'REDIS_URL' | 'dataDir'>;
  connection: Pick<LazyConnection, 'connect'>;
  logger: Logger;
}

/**
 * Makes ready what the first call would have to wait for: loads queue and database and connects to them. Starts no stack, since
 * a client that lists tools may never call one. Never fails: the first call tells what is wrong.
 */
export async function warmUp({ env, connection, logger }: WarmUpOptions): Promise<void> {
  try {
    if (env.REDIS_URL === undefined) {
      // One that is starting, perhaps for another client, is waited for.
      const stack = await findStack(env.dataDir, startPatienceMs);
      if (stack === undefined) return;
      await stack.close();
    }
    const connected = await connection.connect();
    await (await connected.manager()).warmUp();
  } catch (error) {
    logger.debug({ err: error }, 'Nothing could be made ready ahead of the first call');
  }
}
