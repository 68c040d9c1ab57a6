import type { Redis } from 'ioredis';
import { keys } from './names.ts';

/** What was measured longer ago than this counts for little. */
const rememberedMs = 20_000;
const keptMs = 600_000;
/** Of several workers those that measured within this time before the last one work together. */
const togetherMs = 60_000;

interface Measure {
  /** Starts, and the time in milliseconds that they took; both fade. */
  starts: number;
  busyMs: number;
  lastAt: number;
  isNew: boolean;
}

/** How fast a queue moves while jobs wait in it, measured by each worker as it takes them. */
export interface PaceMeter {
  /** A job of the queue starts now; it came at `enqueuedAt`. Costs no round trip. */
  started(queue: string, enqueuedAt: number): void;
  /** Tells the other processes what is new; called once a second. */
  publish(): Promise<void>;
}

/** Each start of a worker is a field of its own. KEYS: a queue's pace. ARGV: worker, what it tells, up to when what others told is old. */
const publishScript = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ${keptMs})
local told = redis.call('HGETALL', KEYS[1])
for index = 2, #told, 2 do
  if tonumber(string.match(told[index], '%d+$') or 0) < tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], told[index - 1]) end
end`;

type Scripted = Redis & { aimmTellPace(pace: string, workerId: string, told: string, before: number): Promise<null> };

export function createPaceMeter(redis: Redis, workerId: string, now: () => number = Date.now): PaceMeter {
  redis.defineCommand('aimmTellPace', { numberOfKeys: 1, lua: publishScript });
  const measures = new Map<string, Measure>();
  return {
    started(queue, enqueuedAt) {
      const at = now();
      const seen = measures.get(queue) ?? { starts: 0, busyMs: 0, lastAt: at, isNew: false };
      // Only the time between two starts of which the second waited already says how fast the queue moves.
      if (enqueuedAt <= seen.lastAt && measures.has(queue)) {
        const gapMs = at - seen.lastAt;
        const fade = Math.exp(-gapMs / rememberedMs);
        seen.starts = seen.starts * fade + 1;
        seen.busyMs = seen.busyMs * fade + gapMs;
        seen.isNew = true;
      }
      seen.lastAt = at;
      measures.set(queue, seen);
    },
    async publish() {
      const fresh = [...measures].filter(([, { isNew }]) => isNew);
      const published = fresh.map(([queue, measure]) => {
        measure.isNew = false;
        const told = [measure.starts.toFixed(2), Math.round(measure.busyMs), measure.lastAt].join(' ');
        return (redis as Scripted).aimmTellPace(keys.pace(queue), workerId, told, measure.lastAt - keptMs);
      });
      await Promise.all(published);
    },
  };
}

/** Starts per second over all workers; undefined where nothing was measured lately. `told`: what they published. */
export function toStartsPerSecond(told: Record<string, string>, waitedMs: number, now: number): number | undefined {
  const measures = Object.values(told).map((text) => text.split(' ').map(Number));
  const newest = Math.max(...measures.map(([, , at = 0]) => at));
  let sum = 0;
  for (const [starts = 0, busyMs = 0, at = 0] of measures) {
    // Since then nothing started, though somebody waited: for as long as that the queue is slower than it was.
    const silentMs = Math.max(0, Math.min(waitedMs, now - at));
    if (at >= newest - togetherMs && now - at < keptMs) sum += (starts * 1_000) / Math.max(1, busyMs + silentMs);
  }
  return sum > 0 ? sum : undefined;
}
