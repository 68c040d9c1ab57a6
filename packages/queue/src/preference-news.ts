import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { disconnect, withRedis } from './connection.ts';
import { createErrorLog } from './error-log.ts';
import { keys } from './names.ts';

/** Word that somebody's preferences have changed, from the front where they did to all others. A word that is lost costs seconds. */
export interface PreferenceNews {
  /** Never rejects: what is kept of preferences ages by itself. */
  tell(client: string): Promise<void>;
  /** Calls back with whose they are; over a connection of its own, which is opened here. */
  listen(listener: (client: string) => void): void;
  close(): void;
}

export function createPreferenceNews(redis: Redis, logger: Logger): PreferenceNews {
  let subscriber: Redis | undefined;
  return {
    async tell(client) {
      // A command's process may not be connected yet.
      await withRedis(redis, () => redis.publish(keys.preferencesChannel, client)).catch((error: unknown) => {
        logger.warn({ err: error }, 'Other fronts could not be told that preferences have changed');
      });
    },
    listen(listener) {
      if (subscriber !== undefined) return;
      const opened = redis.duplicate({ autoResubscribe: false });
      subscriber = opened;
      opened.on('error', createErrorLog(logger, 'Redis connection for news of preferences failed'));
      opened.on('message', (_channel, client) => listener(client));
      opened.on('ready', () => {
        opened.subscribe(keys.preferencesChannel).catch((error: unknown) => {
          logger.debug({ err: error }, 'Cannot listen for news of preferences');
        });
      });
    },
    close() {
      if (subscriber !== undefined) disconnect(subscriber);
    },
  };
}
