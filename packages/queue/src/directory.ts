import type { Logger } from '@aimm/runtime';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { createErrorLog } from './error-log.ts';
import { parkedFrom } from './fair-scripts.ts';
import { keyPrefix, keys, queueOf, systemQueues } from './names.ts';

export interface QueueCounts {
  name: string;
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
  /** How long the provider asked all of us to wait; absent while it did not. */
  pausedForMs?: number;
}

/** Every queue of the given providers, for health and Bull Board. Opens no connection of its own. */
export interface QueueDirectory {
  readonly queues: readonly Queue[];
  counts(): Promise<QueueCounts[]>;
  close(): Promise<void>;
}

export function createQueueDirectory(redis: Redis, providers: readonly string[], logger: Logger): QueueDirectory {
  const names = [
    ...providers.flatMap((provider) => [queueOf('generate', provider), queueOf('check-health', provider)]),
    ...systemQueues,
  ];
  const onError = createErrorLog(logger, 'A queue reported an error');
  const queues = names.map((name) => {
    const queue = new Queue(name, {
      connection: redis,
      prefix: keyPrefix,
      skipWaitingForReady: true,
      skipVersionCheck: true,
      skipMetasUpdate: true,
    });
    queue.on('error', onError);
    return queue;
  });

  const count = async (queue: Queue): Promise<QueueCounts> => {
    const [counts, ttl, parked] = await Promise.all([
      queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed'),
      queue.getRateLimitTtl(),
      // Batch jobs that wait for a place are no delayed ones.
      redis.zcount(keys.delayed(queue.name), parkedFrom * 0x1000, '+inf'),
    ]);
    return {
      name: queue.name,
      waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0) + parked,
      active: counts['active'] ?? 0,
      delayed: Math.max(0, (counts['delayed'] ?? 0) - parked),
      failed: counts['failed'] ?? 0,
      // A limiter's own window also shows here: only what is longer is a pause.
      ...(ttl > 2_000 && { pausedForMs: ttl }),
    };
  };
  return {
    queues,
    counts: () => Promise.all(queues.map(count)),
    async close() {
      await Promise.all(queues.map((queue) => queue.close().catch(() => undefined)));
    },
  };
}
