import type { Redis } from 'ioredis';
import * as z from 'zod';
import { keys } from './names.ts';

/** What a worker says of itself, renewed every few seconds: fronts learn from it which providers are configured. */
export const WorkerPresence = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  startedAt: z.number(),
  seenAt: z.number(),
  /** How the process fares. */
  process: z.object({ residentBytes: z.number(), heapUsedBytes: z.number() }).optional(),
  /** Ledger rows on its machine's disk: neither the database nor Redis took them. */
  spoolBytes: z.number().optional(),
  providers: z.array(
    z.object({
      id: z.string(),
      configured: z.boolean(),
      demo: z.boolean(),
      /** What is wrong with keys that are there, but cannot be used. */
      problem: z.string().optional(),
    }),
  ),
});
export type WorkerPresence = z.infer<typeof WorkerPresence>;

const ttlMs = 15_000;
const renewMs = 4_000;

/** Announces a worker until closed. `announce` sends what has changed at once. */
export function createPresence(
  redis: Redis,
  describe: () => Omit<WorkerPresence, 'seenAt'>,
): { announce(): Promise<void>; close(): Promise<void> } {
  const announce = async () => {
    const presence: WorkerPresence = { ...describe(), seenAt: Date.now() };
    await redis
      .multi()
      .set(keys.worker(presence.id), JSON.stringify(presence), 'PX', ttlMs)
      .zadd(keys.workers, presence.seenAt, presence.id)
      .zremrangebyscore(keys.workers, 0, presence.seenAt - ttlMs)
      .exec();
  };
  const timer = setInterval(() => void announce().catch(() => undefined), renewMs).unref();
  return {
    announce,
    async close() {
      clearInterval(timer);
      const { id } = describe();
      if (redis.status === 'ready') await redis.multi().del(keys.worker(id)).zrem(keys.workers, id).exec();
    },
  };
}

/** Workers that reported within the last 15 s. */
export async function listWorkers(redis: Redis): Promise<WorkerPresence[]> {
  const ids = await redis.zrangebyscore(keys.workers, Date.now() - ttlMs, '+inf');
  if (ids.length === 0) return [];
  const found = await redis.mget(ids.map((id) => keys.worker(id)));
  return found.flatMap((json) => (json === null ? [] : [WorkerPresence.parse(JSON.parse(json))]));
}
