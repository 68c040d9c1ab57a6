import { connectFront, createQueueDirectory } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';

/** How many jobs wait or run, over all queues. @throws when Redis does not answer */
export async function countOpenJobs(redisUrl: string, providers: readonly string[], logger: Logger): Promise<number> {
  const redis = connectFront(redisUrl, logger);
  try {
    // First: a queue talks to Redis as soon as it is made.
    await new Promise((resolve, reject) => redis.once('ready', resolve).once('error', reject));
    const directory = createQueueDirectory(redis, providers, logger);
    const queues = await directory.counts();
    await directory.close();
    return queues.reduce((sum, { waiting, active, delayed }) => sum + waiting + active + delayed, 0);
  } finally {
    redis.disconnect();
  }
}
