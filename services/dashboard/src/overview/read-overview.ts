import { type ModelManagerError, toModelManagerError, type UsageReport } from '@aimm/contracts';
import type { Manager, ProviderView } from '@aimm/manager';
import { listWorkers, type QueueCounts, type Redis, withRedis, type WorkerPresence } from '@aimm/queue';
import type { QueueBoard } from '../queue-board.ts';
import { readUsage } from '../read-usage.ts';

/** What was asked for, or why it is not there. */
export type Section<T> = { value: T; problem?: never } | { value?: never; problem: ModelManagerError };

/** What the overview shows, as of `at` (epoch milliseconds). */
export interface Overview {
  at: number;
  providers: Section<ProviderView[]>;
  queues: Section<QueueCounts[]>;
  workers: Section<WorkerPresence[]>;
  /** Of the last 24 hours, by model. */
  usage: Section<UsageReport>;
}

export interface OverviewSources {
  manager: Pick<Manager, 'listProviders' | 'usage'>;
  board: Pick<QueueBoard, 'counts'>;
  redis: Redis;
  now: () => number;
}

const dayMs = 24 * 3_600_000;

/** What does not answer is missing from the page: Redis costs it 2 s at most, the database 3 s. */
export async function readOverview({ manager, board, redis, now }: OverviewSources): Promise<Overview> {
  const at = now();
  const lastDay = { from: at - dayMs, to: at + 1, groupBy: 'model' as const };
  const [providers, queues, workers] = await Promise.all([
    read(() => manager.listProviders()),
    read(() => board.counts()),
    read(() => withRedis(redis, () => listWorkers(redis))),
  ]);
  // Afterwards: opening SQLite holds up the process, and what waits for Redis would think that it is down.
  const usage = await read(() => readUsage(manager, lastDay));
  return { at, providers, queues, workers, usage };
}

async function read<T>(work: () => Promise<T>): Promise<Section<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { problem: toModelManagerError(error) };
  }
}
