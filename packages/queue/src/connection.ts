import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { within } from '@aimm/runtime/within';
import { Redis, type RedisOptions } from 'ioredis';
import { createErrorLog } from './error-log.ts';

export type { Redis } from 'ioredis';

/** How long a front waits for Redis before it tells the client: an add fails within 2 s, all told. */
const answerWithinMs = 1_200;

/** `unix:/path`, `redis://…` or `rediss://…`. */
function address(url: string): { url?: string; options: RedisOptions } {
  if (url.startsWith('unix:')) return { options: { path: url.slice('unix:'.length).replace(/^\/{2}(?=\/)/, '') } };
  return { url, options: {} };
}

function open(url: string, options: RedisOptions, logger: Logger): Redis {
  const target = address(url);
  const onDemoted = createErrorLog(logger, 'Redis is a replica and takes no writes; connecting anew');
  const all: RedisOptions = {
    ...target.options,
    ...options,
    // BullMQ's default backs off to 20 s: after a 20 s outage the first add then took 18 s, with this 50 ms.
    retryStrategy: (times) => Math.min(times * 200, 1_000),
    // Behind one address another server took the place of this one, which keeps its clients. Connects anew and sends the
    // command once more.
    reconnectOnError(error) {
      if (!isDemoted(error)) return false;
      onDemoted(error);
      return 2;
    },
  };
  const redis = target.url === undefined ? new Redis(all) : new Redis(target.url, all);
  // Each request that waits for Redis listens here, and each queue over this connection: many is no leak. Not 0, which
  // means any number: BullMQ adds to it.
  redis.setMaxListeners(100_000);
  redis.on('error', createErrorLog(logger, 'Redis connection failed'));
  joinWrites(redis);
  return redis;
}

/**
 * Joins commands into few writes: at 50 calls in flight writing took a third of a worker's time. The first burst of a turn
 * of the event loop goes out at its own end, since nobody may be behind it; what follows in that turn goes in one write.
 * (ioredis's own `enableAutoPipelining` does the like, and throws uncaught after a command's time-out.)
 */
function joinWrites(redis: Redis): void {
  redis.on('connect', () => {
    const { stream } = redis;
    const write = stream.write.bind(stream);
    let inTurn = false;
    let held = false;
    const flush = () => {
      if (!held) return;
      held = false;
      stream.uncork();
    };
    const hold = () => {
      held = true;
      stream.cork();
      if (inTurn) return;
      inTurn = true;
      // A tick asked for by a microtask comes when there are no more of those: at the end of this burst.
      queueMicrotask(() => process.nextTick(flush));
      setImmediate(() => {
        inTurn = false;
        flush();
      });
    };
    const writeJoined = (...given: Parameters<typeof write>) => {
      if (!held) hold();
      return write(...given);
    };
    // The same function with the same overloads.
    stream.write = writeJoined as typeof stream.write;
  });
}

/** For adding and asking: fails fast, never queues a command for a connection that is not there. */
export function connectFront(url: string, logger: Logger): Redis {
  return open(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: answerWithinMs }, logger);
}

/** For consuming and blocking reads: waits for Redis as long as it takes. */
export function connectWorker(url: string, logger: Logger): Redis {
  return open(url, { maxRetriesPerRequest: null }, logger);
}

/** Closes at once; what the connection still says about that is of no interest to anybody. */
export function disconnect(redis: Redis): void {
  redis.removeAllListeners('error');
  redis.on('error', () => undefined);
  redis.disconnect();
}

/**
 * Resolves once Redis takes commands.
 * @throws unavailable after 1.2 s
 */
async function requireRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      redis.off('ready', onReady);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onReady = () => settle();
    const timer = setTimeout(() => {
      // What came while the event loop was held up by something else gets its turn first.
      setImmediate(() => settle(redis.status === 'ready' ? undefined : redisUnavailable()));
    }, answerWithinMs);
    redis.once('ready', onReady);
  });
}

export function redisUnavailable(cause?: unknown): ModelManagerError {
  return new ModelManagerError('unavailable', 'The queue (Redis) does not answer, so nothing was enqueued.', {
    hint: 'Check that Redis runs and that REDIS_URL points at it (`aimm doctor` looks at both), then ask again.',
    retryable: true,
    cause,
  });
}

/** What a server that became a replica says to a write, and to who waits for something to come. */
function isDemoted({ message }: Error): boolean {
  return /^(?:READONLY|UNBLOCKED force)/.test(message);
}

/** Redis' words for a write that it did not begin and will take again: its disk is full, it lacks replicas, it is busy. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(?:BUSY|CLUSTERDOWN|LOADING|MISCONF|NOREPLICAS|READONLY)\b/.test(error.message);
}

/** Redis's own word for a write that `maxmemory` forbids. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.message.includes('OOM ');
}

export function redisFull(cause: unknown): ModelManagerError {
  return new ModelManagerError('unavailable', 'The queue (Redis) is out of memory and takes no new jobs.', {
    hint: 'Give Redis more memory (maxmemory), then ask again.',
    retryable: true,
    cause,
  });
}

/** Runs commands against Redis; whatever the connection throws becomes `unavailable`, and 2 s is the limit. */
export async function withRedis<T>(redis: Redis, work: () => Promise<T>): Promise<T> {
  await requireRedis(redis);
  try {
    return await within(answerWithinMs + 250, work(), () => {
      throw redisUnavailable();
    });
  } catch (error) {
    if (isOutOfMemory(error)) throw redisFull(error);
    throw error instanceof ModelManagerError ? error : redisUnavailable(error);
  }
}
