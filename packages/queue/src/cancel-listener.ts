import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { createErrorLog } from './error-log.ts';
import { fields, keys } from './names.ts';
import type { RunningJobs } from './run-job.ts';

export interface CancelListener {
  /** Aborts what was cancelled without a word of it reaching this process: a message is lost while nobody listens. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/** Aborts jobs that run here when a client cancels them; the message is the job's id. */
export function listenForCancels(redis: Redis, running: RunningJobs, logger: Logger): CancelListener {
  const subscriber = redis.duplicate();
  const abort = (jobId: string) =>
    running.get(jobId)?.abort(new ModelManagerError('cancelled', 'The request was cancelled.'));
  subscriber.on('error', createErrorLog(logger, 'Redis connection for cancels failed'));
  subscriber.on('message', (_channel, jobId) => abort(jobId));
  void subscriber.subscribe(keys.cancelChannel).catch((error: unknown) => {
    logger.warn({ err: error }, 'Cannot listen for cancels');
  });
  return {
    async look() {
      const looks = [...running].map(async ([jobId, { queue }]) => {
        if ((await redis.hexists(keys.job(queue, jobId), fields.cancel)) === 1) abort(jobId);
      });
      await Promise.all(looks);
    },
    close: async () => {
      subscriber.disconnect();
      await Promise.resolve();
    },
  };
}
