import type { Worker } from 'bullmq';

/** How many jobs a BullMQ worker runs at once. */
export interface WorkerRoom {
  readonly most: number;
  /** Runs what a job asks for. To be called by the processor before it waits for anything. */
  run<T>(jobId: string, work: () => Promise<T>): Promise<T>;
  resize(most: number): void;
}

/** So long jobs are fetched together; beginning many at once costs less than one by one. */
const fetchForMs = 10;

/**
 * A worker of BullMQ fetches jobs one after the other, a round trip each, until it has `concurrency` of them, and starts the first only
 * then. On a busy machine or with a distant Redis that is many seconds in which a hundred jobs are held and none runs. So
 * once a job has waited a little for the others, the worker is told that it is full, until it has started what it has.
 */
export function createWorkerRoom(worker: Worker, most: number): WorkerRoom {
  let limit = most;
  let since = 0;
  let running = 0;
  /** Fetched, and not started yet. */
  const held = new Set<string>();
  const started = (jobId: string) => {
    if (held.delete(jobId) && held.size === 0) worker.concurrency = limit;
  };
  worker.on('active', ({ id = '' }) => {
    if (held.size === 0) since = performance.now();
    held.add(id);
    if (performance.now() - since >= fetchForMs) worker.concurrency = Math.min(limit, running + held.size);
  });
  // Some fail without being started.
  worker.on('failed', (job) => started(job?.id ?? ''));
  return {
    get most() {
      return limit;
    },
    run(jobId, work) {
      started(jobId);
      running += 1;
      // A job that ends may bring the next one with it, which BullMQ asks before anything else happens.
      return work().finally(() => setImmediate(() => (running -= 1)));
    },
    resize(next) {
      limit = next;
      held.clear();
      worker.concurrency = limit;
    },
  };
}
