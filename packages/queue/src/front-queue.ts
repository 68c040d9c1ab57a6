import { setTimeout as delay } from 'node:timers/promises';
import { createTally, type Logger } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { type Budgets, createBudgets } from './budgets.ts';
import { connectFront, connectWorker, disconnect, withRedis } from './connection.ts';
import { createQueueDirectory, type QueueCounts, type QueueDirectory } from './directory.ts';
import { createFlights, type Flights } from './flights.ts';
import { createHandOver, type HandOver } from './hand-over.ts';
import { createListingCache, type ListingCache } from './listing-cache.ts';
import { createMetricSums } from './metric-sums.ts';
import { createPreferenceNews, type PreferenceNews } from './preference-news.ts';
import { createPoolPicker, type PoolPicker } from './pools.ts';
import { listWorkers, type WorkerPresence } from './presence.ts';
import { createProducer, type Producer } from './producer.ts';
import { type Cooldown, readCooldowns } from './read-cooldowns.ts';
import { type BatchJobs, createBatchJobs } from './batch-jobs.ts';
import { type BatchNews, createBatchNews } from './batch-news.ts';
import { type QueueTraffic, readQueueTraffic } from './queue-traffic.ts';
import { createReplyReader, type ReplyReader } from './replies.ts';
import { createRequests, type Requests } from './requests.ts';
import { createSharedClock, type SharedClock } from './shared-clock.ts';
import { createTokenChanges, type TokenChanges } from './token-changes.ts';
import { createWaiters, type Waiters } from './waiters.ts';

/** Everything a front needs of the queue, over two connections, and a third that only listens once preferences were read. Opening it does not wait for Redis. */
export interface FrontQueue {
  readonly clock: SharedClock;
  readonly producer: Producer;
  readonly replies: ReplyReader;
  readonly requests: Requests;
  readonly waiters: Waiters;
  readonly budgets: Budgets;
  readonly flights: Flights;
  readonly listings: ListingCache;
  readonly pools: PoolPicker;
  readonly handOver: HandOver;
  readonly batchJobs: BatchJobs;
  readonly batchNews: BatchNews;
  readonly preferenceNews: PreferenceNews;
  readonly tokenChanges: TokenChanges;
  workers(): Promise<WorkerPresence[]>;
  /** What is set aside now. @throws unavailable */
  cooldowns(): Promise<Cooldown[]>;
  counts(): Promise<QueueCounts[]>;
  /** What moves in these queues, in their order. @throws unavailable */
  traffic(queues: readonly string[]): Promise<QueueTraffic[]>;
  /** Round trip in milliseconds. @throws unavailable */
  ping(): Promise<number>;
  close(): Promise<void>;
}

const closeWithinMs = 1_000;

export interface FrontQueueOptions {
  redisUrl: string;
  frontId: string;
  /** Read anew each time: the configuration may change. */
  providers: () => readonly string[];
  logger: Logger;
}

export function openFrontQueue({ redisUrl, frontId, providers, logger }: FrontQueueOptions): FrontQueue {
  const redis: Redis = connectFront(redisUrl, logger);
  const blocking = connectWorker(redisUrl, logger);
  const producer = createProducer({ redis, logger, recallsFailedAdds: true });
  const replies = createReplyReader({ redis, blocking, frontId, logger });
  const requests = createRequests(redis);
  const budgets = createBudgets(redis);
  const flights = createFlights({ redis, budgets, producer });
  const clock = createSharedClock(redis, logger);
  const preferenceNews = createPreferenceNews(redis, logger);
  const tally = createTally();
  const sums = createMetricSums(redis, tally);
  const tokenChanges = createTokenChanges(blocking, logger);
  const waiters = createWaiters({
    replies,
    requests,
    revive: (flight) => flights.revive(flight),
    now: clock.now,
    logger,
    tally,
  });
  // Opened when first asked for: BullMQ talks to Redis as soon as a queue is made.
  let directory: QueueDirectory | undefined;
  let listed = '';
  const openDirectory = () => {
    const ids = providers();
    if (directory === undefined || listed !== ids.join()) {
      void directory?.close();
      directory = createQueueDirectory(redis, ids, logger);
      listed = ids.join();
    }
    return directory;
  };

  return {
    clock,
    producer,
    replies,
    requests,
    waiters,
    budgets,
    flights,
    listings: createListingCache(redis),
    pools: createPoolPicker(redis),
    handOver: createHandOver(redis, producer),
    batchJobs: createBatchJobs(redis),
    batchNews: createBatchNews(redis, logger),
    preferenceNews,
    tokenChanges,
    workers: () => withRedis(redis, () => listWorkers(redis)),
    cooldowns: () => withRedis(redis, () => readCooldowns(redis, clock.now)),
    counts: () =>
      withRedis(redis, () => openDirectory().counts()).catch((error: unknown) => {
        directory = undefined;
        throw error;
      }),
    traffic: (queues) => withRedis(redis, () => readQueueTraffic(redis, queues)),
    async ping() {
      const startedAt = performance.now();
      await withRedis(redis, () => redis.ping());
      return performance.now() - startedAt;
    },
    async close() {
      waiters.close();
      clock.close();
      preferenceNews.close();
      tokenChanges.close();
      await sums.close();
      await replies.close();
      // With Redis away BullMQ's close would wait for it to come back; there is nothing left to save.
      await Promise.race([Promise.all([producer.close(), directory?.close()]), delay(closeWithinMs)]);
      disconnect(redis);
    },
  };
}
