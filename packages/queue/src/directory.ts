import type { Logger } from '@aimm/runtime';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { createErrorLog } from './error-log.ts';
import { keyPrefix, queueOf, systemQueues } from './names.ts';

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
    const [counts, ttl] = await Promise.all([
      queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed'),
      queue.getRateLimitTtl(),
    ]);
    return {
      name: queue.name,
      waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0),
      active: counts['active'] ?? 0,
      delayed: counts['delayed'] ?? 0,
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
