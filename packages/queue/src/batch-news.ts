import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { disconnect, withRedis } from './connection.ts';
import { createErrorLog } from './error-log.ts';
import { keys } from './names.ts';

/** `results`: some of its generations have ended. `change`: it was started, paused, resumed, cancelled, added to. */
export type BatchNewsKind = 'results' | 'change';

/** Word that something has changed about a batch, to whoever feeds batches. A word that is lost costs a second. */
export interface BatchNews {
  /** Never rejects. */
  tell(batchId: string, kind: BatchNewsKind): Promise<void>;
  /** Over a connection of its own, which is opened here. */
  listen(listener: (batchId: string, kind: BatchNewsKind) => void): void;
  close(): void;
}

export function createBatchNews(redis: Redis, logger: Logger): BatchNews {
  let subscriber: Redis | undefined;
  return {
    async tell(batchId, kind) {
      await withRedis(redis, () => redis.publish(keys.batchChannel, `${kind} ${batchId}`)).catch((error: unknown) => {
        logger.debug({ err: error }, 'Whoever feeds batches could not be told');
      });
    },
    listen(listener) {
      if (subscriber !== undefined) return;
      const opened = redis.duplicate({ autoResubscribe: false });
      subscriber = opened;
      opened.on('error', createErrorLog(logger, 'Redis connection for news of batches failed'));
      opened.on('message', (_channel, message) => {
        const [kind = '', batchId = ''] = message.split(' ');
        listener(batchId, kind === 'results' ? 'results' : 'change');
      });
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
