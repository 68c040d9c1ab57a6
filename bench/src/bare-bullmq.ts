import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { awaitMessage, endProcess, startScript } from './processes.ts';

/** A no-op job with its reply over one stream: what queueing costs before anything of ours is added. */
export async function openBareBullmq(
  socket: string,
): Promise<{ once: () => Promise<void>; close: () => Promise<void> }> {
  const worker = startScript('bench/src/bare-worker-main.ts', [socket], {});
  await awaitMessage(worker, (message) => (message === 'ready' ? true : undefined));
  const connect = () => new Redis({ path: socket, maxRetriesPerRequest: null });
  const [redis, blocking] = [connect(), connect()];
  const queue = new Queue('bare', { connection: redis });
  const stream = `bare:replies:${randomUUID()}`;
  const waiting = new Map<string, () => void>();
  let lastId = '0-0';
  let closed = false;
  const reading = (async () => {
    while (!closed) {
      const answer = await blocking.xread('COUNT', 500, 'BLOCK', 500, 'STREAMS', stream, lastId).catch(() => null);
      for (const [, entries] of answer ?? []) {
        for (const [id, [, jobId = '']] of entries) {
          lastId = id;
          waiting.get(jobId)?.();
          waiting.delete(jobId);
        }
      }
    }
  })();
  return {
    async once() {
      const jobId = `bare_${randomUUID()}`;
      const answered = new Promise<void>((resolve) => waiting.set(jobId, resolve));
      await queue.add('bare', { stream }, { jobId, removeOnComplete: true });
      await answered;
    },
    async close() {
      closed = true;
      await reading;
      await queue.close();
      redis.disconnect();
      blocking.disconnect();
      await endProcess(worker);
    },
  };
}
