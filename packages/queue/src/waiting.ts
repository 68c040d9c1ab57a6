import type { ChainableCommander } from 'ioredis';
import { parkedFrom } from './fair-scripts.ts';
import type { PutBack } from './keep-place.ts';
import { fields, keys } from './names.ts';
import { toStartsPerSecond } from './pace.ts';
import { pausedAbove } from './queue-traffic.ts';

/** Why a job waits: for its turn, for a limit of ours, because its provider asked all to wait, or to be tried again. */
export interface Waiting {
  /** 1 = next to run; absent while it is put aside until `until`. */
  position?: number;
  /** How many stand in line with it, itself included. */
  inLine?: number;
  reason: 'queue' | 'rate_limit' | 'provider' | 'retry';
  /** Epoch milliseconds: nothing of it starts before. */
  until?: number;
  /** Starts per second of its queue while jobs wait; absent where nothing was measured lately. */
  startsPerSecond?: number;
}

const parkedScore = parkedFrom * 0x1000;
export const waitingReads = 12;

/** Adds the questions that {@link toWaiting} answers from to a pipeline. */
export function askWaiting(pipeline: ChainableCommander, queue: string, jobId: string): ChainableCommander {
  return pipeline
    .lpos(keys.wait(queue), jobId, 'RANK', -1)
    .llen(keys.wait(queue))
    .zrank(keys.prioritized(queue), jobId)
    .zcard(keys.prioritized(queue))
    .zscore(keys.delayed(queue), jobId)
    .zrank(keys.delayed(queue), jobId)
    .zcount(keys.delayed(queue), '-inf', `(${parkedScore}`)
    .zcard(keys.delayed(queue))
    .get(keys.limiter(queue))
    .pttl(keys.limiter(queue))
    .hgetall(keys.pace(queue))
    .hmget(keys.job(queue, jobId), fields.waits, 'timestamp');
}

/** How a job waits; undefined where it is in none of the queue's lists, as between two of them. */
export function toWaiting(answers: readonly unknown[], now: number): Waiting | undefined {
  // In the order asked, with the types that these commands answer.
  const [fromHead, listed, rank, ranked, score, delayedRank, heldBack, delayed, limiter, pauseMs, told, job] =
    answers as [
      number | null,
      number,
      number | null,
      number,
      string | null,
      number | null,
      number,
      number,
      string | null,
      number,
      Record<string, string>,
      [string | null, string | null],
    ];
  const [waits, timestamp] = job;
  const why: PutBack | undefined = waits === null ? undefined : (JSON.parse(waits) as PutBack); // our own field
  const startsPerSecond = toStartsPerSecond(told, Math.max(0, now - Number(timestamp ?? now)), now);
  const isParked = score !== null && Number(score) >= parkedScore;
  const pace = startsPerSecond === undefined ? {} : { startsPerSecond };
  if (score !== null && !isParked) return { reason: toReason(why), until: Math.floor(Number(score) / 0x1000), ...pace };

  const parkedCount = delayed - heldBack;
  // Jobs are pushed at the head of `wait` and taken from its tail; ranked ones come after all of those, parked ones last.
  const place =
    fromHead !== null
      ? listed - fromHead
      : rank !== null
        ? listed + rank + 1
        : isParked && delayedRank !== null
          ? listed + ranked + delayedRank - heldBack + 1
          : undefined;
  if (place === undefined) return undefined;
  const isPaused = pauseMs > 0 && Number(limiter ?? 0) >= pausedAbove;
  return {
    position: place,
    inLine: listed + ranked + parkedCount,
    ...(isPaused ? { reason: 'provider', until: now + pauseMs } : { reason: 'queue' }),
    ...pace,
  };
}

function toReason(why: PutBack | undefined): Waiting['reason'] {
  if (why === undefined) return 'retry';
  switch (why.action) {
    case 'delay':
    case 'requeue':
      return 'rate_limit';
    case 'pause':
      return 'provider';
    case 'retry':
    case 'hand_back':
    case 'stop':
      return 'retry';
  }
}
