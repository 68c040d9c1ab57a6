import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

export interface BareQueue {
  /** Queues one job; resolves with what its worker wrote to the reply stream. */
  ask(): Promise<string>;
  close(): Promise<void>;
}

/** A BullMQ queue and one reply stream, with nothing of ours: what queueing costs before anything is added to it. */
export function openBareQueue(socket: string, name: string): BareQueue {
  const connect = () => new Redis({ path: socket, maxRetriesPerRequest: null });
  const [redis, blocking] = [connect(), connect()];
  const queue = new Queue(name, { connection: redis });
  const stream = `bare:replies:${randomUUID()}`;
  const waiting = new Map<string, (answer: string) => void>();
  let lastId = '0-0';
  let closed = false;
  const reading = (async () => {
    while (!closed) {
      const read = await blocking.xread('COUNT', 500, 'BLOCK', 500, 'STREAMS', stream, lastId).catch(() => null);
      for (const [, entries] of read ?? []) {
        for (const [id, [jobId = '', answer = '']] of entries) {
          lastId = id;
          waiting.get(jobId)?.(answer);
          waiting.delete(jobId);
        }
      }
    }
  })();
  return {
    async ask() {
      const jobId = `bare_${randomUUID()}`;
      const answered = new Promise<string>((resolve) => waiting.set(jobId, resolve));
      await queue.add('bare', { stream }, { jobId, removeOnComplete: true });
      return answered;
    },
    async close() {
      closed = true;
      await reading;
      await queue.close();
      redis.disconnect();
      blocking.disconnect();
    },
  };
}
