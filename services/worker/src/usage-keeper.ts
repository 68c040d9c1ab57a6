import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '@aimm/database';
import type { Logger } from '@aimm/runtime';
import { type Repeated, repeat } from './repeat.ts';

export interface UsageKeeperOptions {
  database: () => Promise<Database>;
  /** Rows are deleted so many days after they began; undefined: never. */
  retentionDays: number | undefined;
  logger: Logger;
  /** Epoch milliseconds, by a clock that all processes go by: what it says is too old is deleted. */
  now: () => number;
  everyMs?: number;
}

const dayMs = 86_400_000;
/** SQLite works in this process's own thread, and calls go on meanwhile: a batch takes tens of milliseconds, and so does a pause. */
const batch = 50;
const pauseMs = 20;
/** As long as somebody may know how a call ended that a crash hid. */
const unknownForDays = 30;

/**
 * Takes what is new in the ledger into its roll-ups every minute, and deletes what is too old. Every worker does so: the database lets
 * one of them at a time.
 */
export function createUsageKeeper(options: UsageKeeperOptions): Repeated {
  const { database, retentionDays, logger, now, everyMs = 60_000 } = options;

  const keep = async (signal: AbortSignal) => {
    const untilNoneIsLeft = async (work: () => Promise<number>) => {
      while (!signal.aborted && (await work()) >= batch) await delay(pauseMs, undefined, { signal });
    };
    const { ledger } = await database();
    const unknownBefore = now() - Math.min(unknownForDays, retentionDays ?? unknownForDays) * dayMs;
    await untilNoneIsLeft(() => ledger.rollUp({ limit: batch, unknownBefore }));
    if (retentionDays === undefined) return;
    await untilNoneIsLeft(() => ledger.deleteRolledUp({ limit: batch, before: now() - retentionDays * dayMs }));
  };
  return repeat(keep, {
    everyMs,
    onFailure: (error) => logger.warn({ err: error }, 'The usage could not be rolled up; it is tried again'),
  });
}
