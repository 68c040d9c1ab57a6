import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { createErrorLog } from './error-log.ts';
import { keys } from './names.ts';
import type { RunningJobs } from './run-job.ts';

/** Aborts jobs that run here when a client cancels them; the message is the job's id. */
export function listenForCancels(redis: Redis, running: RunningJobs, logger: Logger): { close(): Promise<void> } {
  const subscriber = redis.duplicate();
  subscriber.on('error', createErrorLog(logger, 'Redis connection for cancels failed'));
  subscriber.on('message', (_channel, jobId) => {
    running.get(jobId)?.abort(new ModelManagerError('cancelled', 'The request was cancelled.'));
  });
  void subscriber.subscribe(keys.cancelChannel).catch((error: unknown) => {
    logger.warn({ err: error }, 'Cannot listen for cancels');
  });
  return {
    close: async () => {
      subscriber.disconnect();
      await Promise.resolve();
    },
  };
}
