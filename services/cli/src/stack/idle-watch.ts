import type { Logger } from '@aimm/runtime';

/** How often a stack without clients looks whether its last jobs have ended. */
const busyCheckMs = 10_000;
/** A timer that is set for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Ends a background stack that nobody needs: no client for a while, and no job that waits or runs. */
export interface IdleWatch {
  /** To be called whenever clients come or go. */
  update(clients: number): void;
  close(): void;
}

export function createIdleWatch(options: {
  idleMs: number;
  /** Whether any job waits or runs. */
  isBusy: () => Promise<boolean>;
  onIdle: () => void;
  logger: Logger;
}): IdleWatch {
  const { idleMs, isBusy, onIdle, logger } = options;
  let timer: NodeJS.Timeout | undefined;
  let lonely = false;

  const check = async () => {
    // Not knowing counts as busy: a job must not lose its stack because we could not ask.
    const busy = await isBusy().catch((error: unknown) => {
      logger.warn({ err: error }, 'Could not see whether jobs are waiting');
      return true;
    });
    if (!lonely) return;
    if (busy) schedule(Math.min(idleMs, busyCheckMs));
    else onIdle();
  };
  const schedule = (afterMs: number) => {
    clearTimeout(timer);
    const waitMs = Math.min(afterMs, longestTimerMs);
    timer = setTimeout(() => (waitMs < afterMs ? schedule(afterMs - waitMs) : void check()), waitMs);
  };

  return {
    update: (clients) => {
      if (clients === 0 && !lonely) schedule(idleMs);
      lonely = clients === 0;
      if (!lonely) clearTimeout(timer);
    },
    close: () => {
      lonely = false;
      clearTimeout(timer);
    },
  };
}
