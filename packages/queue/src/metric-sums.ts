import { randomUUID } from 'node:crypto';
import type { Tally } from '@aimm/runtime';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';

/** Brings a process's counts to Redis, where they are added to everybody else's and outlive the process. */
export interface MetricSums {
  /** Sends what was counted so far. */
  flush(): Promise<void>;
  /** Sends the rest, where Redis is there, and stops. */
  close(): Promise<void>;
}

const flushEveryMs = 2_000;
const closeWithinMs = 500;
/** A batch whose answer was lost is sent again within this time, or never. */
const batchMemoryMs = 600_000;

/** KEYS: sums, this process's last batch. ARGV: the batch, its memory, then field and count in turn. A batch counts once. */
const addScript = `
if redis.call('GET', KEYS[2]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1`;

type Scripted = Redis & { aimmAdd(sums: string, batch: string, ...argv: (string | number)[]): Promise<number> };

/**
 * One command every two seconds, and none where nothing was counted: no call pays for being counted. A process that is
 * killed takes the counts of its last two seconds with it; the ledger, which is the account, has them.
 */
export function createMetricSums(redis: Redis, tally: Tally): MetricSums {
  redis.defineCommand('aimmAdd', { numberOfKeys: 2, lua: addScript });
  const scripted = redis as Scripted;
  const batchKey = keys.metricsBatch(randomUUID());
  let batches = 0;
  let unsent: { number: number; counts: Map<string, number> } | undefined;
  let sending: Promise<void> | undefined;

  const send = async () => {
    const counts = unsent?.counts ?? tally.take();
    if (counts.size === 0) return;
    unsent ??= { number: (batches += 1), counts };
    await scripted.aimmAdd(keys.metrics, batchKey, String(unsent.number), batchMemoryMs, ...[...counts].flat());
    unsent = undefined;
  };
  const flush = () => (sending ??= send().finally(() => (sending = undefined)));
  // Redis is away: the same batch goes with the next turn.
  const timer = setInterval(() => void flush().catch(() => undefined), flushEveryMs).unref();

  return {
    flush,
    async close() {
      clearInterval(timer);
      if (redis.status !== 'ready') return;
      const late = new Promise((resolve) => setTimeout(resolve, closeWithinMs).unref());
      const rest = (sending ?? Promise.resolve()).then(flush);
      await Promise.race([rest.catch(() => undefined), late]);
    },
  };
}

/** What all processes counted since this Redis was empty, by field. */
export async function readMetricSums(redis: Redis): Promise<Map<string, number>> {
  const sums = await redis.hgetall(keys.metrics);
  return new Map(Object.entries(sums).map(([field, count]) => [field, Number(count)]));
}
