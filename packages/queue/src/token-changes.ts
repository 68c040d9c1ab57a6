import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';
import { createErrorLog } from './error-log.ts';
import { keys } from './names.ts';

/** Word that an access token was made or revoked: it goes from mouth to mouth, and whoever missed it learns it from the database. */
export interface TokenChanges {
  /** Listens from the first call on, over a connection of its own. The connection's own end also counts as a change. */
  listen(onChange: () => void): void;
  close(): void;
}

/** `redis`: one that waits for its server; a copy of it listens. */
export function createTokenChanges(redis: Redis, logger: Logger): TokenChanges {
  let subscriber: Redis | undefined;
  return {
    listen(onChange) {
      if (subscriber !== undefined) return;
      subscriber = redis.duplicate();
      subscriber.on('error', createErrorLog(logger, 'Redis connection for access tokens failed'));
      subscriber.on('message', () => onChange());
      // What was said meanwhile was not heard.
      subscriber.on('ready', () => onChange());
      void subscriber.subscribe(keys.tokenChannel).catch((error: unknown) => {
        logger.debug({ err: error }, 'Cannot listen for changes of access tokens');
      });
    },
    close: () => subscriber?.disconnect(),
  };
}

/** Tells every process at once. @throws unavailable */
export async function announceTokenChange(redis: Redis): Promise<void> {
  await withRedis(redis, () => redis.publish(keys.tokenChannel, '1'));
}
