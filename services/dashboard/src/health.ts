import { toModelManagerError } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import { listWorkers, type Redis, withRedis, type WorkerPresence } from '@aimm/queue';
import type { RequestHandler } from 'express';
import type { Access } from './access.ts';
import { queueDown } from './queue-down.ts';
import { readUsage } from './read-usage.ts';

interface Part {
  reachable: boolean;
  latencyMs?: number;
  problem?: string;
}

export interface Health {
  /** `down`: queue or database cannot be reached. `degraded`: both can, and no worker is there to do the work. */
  status: 'ok' | 'degraded' | 'down';
  queue: Part;
  database: Part;
  workers: Pick<WorkerPresence, 'host' | 'pid' | 'startedAt' | 'seenAt'>[];
}

export interface HealthOptions {
  manager: Pick<Manager, 'usage'>;
  redis: Redis;
  access: Access;
  now: () => number;
}

const freshForMs = 1_000;

/** `/healthz`: 200 or, when down, 503. Asks no provider; strangers learn the status and nothing else. */
export function serveHealth(options: HealthOptions): RequestHandler {
  const { access, now } = options;
  // Anybody may ask, as often as they like: at most one look a second reaches Redis and the database. Anew, too, where the clock
  // was set back.
  let last: { health: Promise<Health>; at: number } | undefined;
  const read = () => {
    if (last === undefined || Math.abs(now() - last.at) > freshForMs) last = { health: readHealth(options), at: now() };
    return last.health;
  };
  return async (req, res) => {
    const health = await read();
    res.status(health.status === 'down' ? 503 : 200);
    // A token that cannot be checked now is a stranger's.
    const admission = await access.check(req).catch(() => 'refused');
    res.json(admission === 'admitted' ? health : { status: health.status });
  };
}

async function readHealth({ manager, redis, now }: HealthOptions): Promise<Health> {
  // `manager.health()` would ask every provider; sums over no time at all tell as well whether the database answers.
  const noTime = { from: now(), to: now() };
  const [queue, workers] = await Promise.all([
    look(
      () => withRedis(redis, () => redis.ping()),
      () => queueDown.title,
    ),
    // Its failure is the queue's, told above.
    withRedis(redis, () => listWorkers(redis)).catch(() => []),
  ]);
  // Afterwards: opening SQLite holds up the process, and what waits for Redis would think that it is down.
  const database = await look(
    () => readUsage(manager, noTime),
    (error) => toModelManagerError(error).message,
  );
  const reachable = queue.reachable && database.reachable;
  return {
    status: !reachable ? 'down' : workers.length === 0 ? 'degraded' : 'ok',
    queue,
    database,
    workers: workers.map(({ host, pid, startedAt, seenAt }) => ({ host, pid, startedAt, seenAt })),
  };
}

async function look(work: () => Promise<unknown>, describe: (error: unknown) => string): Promise<Part> {
  const startedAt = performance.now();
  try {
    await work();
    return { reachable: true, latencyMs: Math.round((performance.now() - startedAt) * 100) / 100 };
  } catch (error) {
    return { reachable: false, problem: describe(error) };
  }
}
