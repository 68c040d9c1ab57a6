import type { Worker } from 'bullmq';

/**
 * Renews the locks that BullMQ does not: it goes by the machine's clock, and when that jumps back, a job that runs is due again once
 * the clock is where it was. Until then its lock would be lost, and its call made again by another.
 */
export interface LockKeeper {
  /** Watches over a job of this worker that begins to run, until the function that it gives is called. */
  hold(worker: Pick<Worker, 'extendJobLocks' | 'emit'>, jobId: string, token: string): () => void;
  close(): void;
}

/** Clocks that are set right a little at a time go back by less. */
const jumpMs = 1_000;

interface Held {
  worker: Pick<Worker, 'extendJobLocks' | 'emit'>;
  jobId: string;
  token: string;
  /** The furthest that the clock was ahead of the monotonic one while the job ran. */
  aheadMs: number;
}

export function createLockKeeper(lockMs: number): LockKeeper {
  const held = new Set<Held>();
  const readAheadMs = () => Date.now() - performance.now();

  const renew = async (job: Held) => {
    const { worker, jobId, token } = job;
    const lost = await worker.extendJobLocks([jobId], [token], lockMs);
    if (lost.length > 0 && held.has(job)) worker.emit('lockRenewalFailed', lost);
  };
  const look = () => {
    const aheadMs = readAheadMs();
    for (const job of held) {
      if (aheadMs > job.aheadMs) job.aheadMs = aheadMs;
      // Where Redis does not answer, the next look tries again.
      else if (aheadMs < job.aheadMs - jumpMs) void renew(job).catch(() => undefined);
    }
  };
  // BullMQ leaves half of a lock's time at least.
  const timer = setInterval(look, lockMs / 4).unref();
  return {
    hold(worker, jobId, token) {
      const job = { worker, jobId, token, aheadMs: readAheadMs() };
      held.add(job);
      return () => void held.delete(job);
    },
    close: () => clearInterval(timer),
  };
}
