import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { disconnect, withRedis } from './connection.ts';
import { createErrorLog } from './error-log.ts';
import { keys } from './names.ts';

/** Word that something has changed about a batch, to whoever feeds batches. A word that is lost costs a second. */
export interface BatchNews {
  /** Never rejects. */
  tell(batchId: string): Promise<void>;
  /** Calls back with the batch's id; over a connection of its own, which is opened here. */
  listen(listener: (batchId: string) => void): void;
  close(): void;
}

export function createBatchNews(redis: Redis, logger: Logger): BatchNews {
  let subscriber: Redis | undefined;
  return {
    async tell(batchId) {
      await withRedis(redis, () => redis.publish(keys.batchChannel, batchId)).catch((error: unknown) => {
        logger.debug({ err: error }, 'Whoever feeds batches could not be told');
      });
    },
    listen(listener) {
      if (subscriber !== undefined) return;
      const opened = redis.duplicate({ autoResubscribe: false });
      subscriber = opened;
      opened.on('error', createErrorLog(logger, 'Redis connection for news of batches failed'));
      opened.on('message', (_channel, batchId) => listener(batchId));
      const subscribe = () => {
        opened.subscribe(keys.batchChannel).catch((error: unknown) => {
          logger.debug({ err: error }, 'Cannot listen for news of batches');
        });
      };
      opened.on('ready', subscribe);
      if (opened.status === 'ready') subscribe();
    },
    close() {
      if (subscriber !== undefined) disconnect(subscriber);
    },
  };
}
