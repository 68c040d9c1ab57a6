import type { Redis } from 'ioredis';
import { keys } from './names.ts';

/** What moves in a queue just now. */
export interface QueueTraffic {
  /** Ids of the jobs that workers hold. */
  active: string[];
  /** How long the provider asked all of us to wait; absent while it did not. */
  pausedForMs?: number;
}

/** BullMQ's limiter counts starts; a pause is a number that no count reaches. */
export const pausedAbove = 1e15;
const readsOfQueue = 3;

/** In the order of the queues, in one round trip. */
export async function readQueueTraffic(redis: Redis, queues: readonly string[]): Promise<QueueTraffic[]> {
  if (queues.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const queue of queues)
    pipeline.lrange(keys.active(queue), 0, -1).get(keys.limiter(queue)).pttl(keys.limiter(queue));
  const answers = (await pipeline.exec()) ?? [];
  return queues.map((_queue, index) => {
    const own = answers.slice(index * readsOfQueue, (index + 1) * readsOfQueue);
    const failure = own.find(([error]) => error !== null)?.[0];
    if (failure) throw failure;
    // In the order asked, with the types that these commands answer.
    const [active, limiter, ttl] = own.map(([, answer]) => answer) as [string[], string | null, number];
    return { active, ...(ttl > 0 && Number(limiter ?? 0) >= pausedAbove && { pausedForMs: ttl }) };
  });
}
