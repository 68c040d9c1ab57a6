import { open } from 'node:fs/promises';

/** As long as Redis' append-only file takes: what a machine that loses power may lose is the same for both. */
const delayMs = 1_000;

export interface LogSync {
  /** The log is on the disk within a second from here on. */
  noteWrite: () => void;
  /** Syncs what was written since. */
  close(): Promise<void>;
}

/**
 * Brings SQLite's write-ahead log to the disk soon after it was written. SQLite by itself does so at checkpoints, maybe a thousand
 * commits later, or at every commit, which blocks the event loop for as long as the disk takes.
 */
export function createLogSync(path: string, sync: (path: string) => Promise<void> = syncFile): LogSync {
  let timer: NodeJS.Timeout | undefined;
  let syncing: Promise<void> = Promise.resolve();
  const run = () => {
    timer = undefined;
    // A disk that fails says so to whoever writes next.
    syncing = sync(path).catch(() => undefined);
  };
  return {
    noteWrite() {
      timer ??= setTimeout(run, delayMs).unref();
    },
    async close() {
      if (timer !== undefined) {
        clearTimeout(timer);
        run();
      }
      await syncing;
    },
  };
}

/** SQLite keeps no locks on its log: closing it here lets go of none. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
