import { setTimeout as sleep } from 'node:timers/promises';
import { isDriverAdapterError } from '@prisma/driver-adapter-utils';

const giveUpAfterMs = 10_000;
const shortestPauseMs = 1;
const longestPauseMs = 10;

/**
 * Runs `attempt` again for up to 10 s while another process holds SQLite's write lock. The wait is ours because SQLite's own
 * blocks the event loop. Pauses are random, so that two writers do not meet again and again.
 * Only for what did nothing when it was refused: a statement outside a transaction, or the beginning of one.
 */
export async function retryWhileBusy<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const giveUpAt = performance.now() + giveUpAfterMs;
  for (let ceilingMs = shortestPauseMs; ; ceilingMs = Math.min(ceilingMs * 2, longestPauseMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > giveUpAt) throw error;
    }
    await sleep(Math.random() * ceilingMs);
  }
}

/** SQLITE_BUSY, as better-sqlite3 throws it and as Prisma's adapter wraps it. */
function isBusy(error: unknown): boolean {
  if (isDriverAdapterError(error)) return error.cause.kind === 'SocketTimeout';
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');
}
