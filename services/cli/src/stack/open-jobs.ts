import { connectFront, createQueueDirectory } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';

/** How many jobs wait or run, over all queues. @throws when Redis does not answer */
export async function countOpenJobs(redisUrl: string, providers: readonly string[], logger: Logger): Promise<number> {
  const redis = connectFront(redisUrl, logger);
  const directory = createQueueDirectory(redis, providers, logger);
  try {
    await new Promise((resolve, reject) => redis.once('ready', resolve).once('error', reject));
    const queues = await directory.counts();
    return queues.reduce((sum, { waiting, active, delayed }) => sum + waiting + active + delayed, 0);
  } finally {
    await directory.close();
    redis.disconnect();
  }
}
