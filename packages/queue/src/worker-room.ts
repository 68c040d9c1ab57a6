import type { Worker } from 'bullmq';

/** How many jobs a BullMQ worker runs at once. */
export interface WorkerRoom {
  readonly most: number;
  /** Runs what a job asks for, as one of them. To be called by the processor before it waits for anything. */
  run<T>(work: () => Promise<T>): Promise<T>;
  resize(most: number): void;
}

/** Fetched, and not started yet. */
const fetchedAhead = 1;

/**
 * A worker of BullMQ fetches jobs one after the other, a round trip each, until it has `concurrency` of them, and starts the first only
 * then. On a busy machine or with a distant Redis that is many seconds in which a hundred jobs are held and none runs. So it is
 * told that it may have one more than run, and starts each before it fetches the next.
 */
export function createWorkerRoom(worker: Pick<Worker, 'concurrency'>, most: number): WorkerRoom {
  let limit = most;
  let running = 0;
  const adapt = () => {
    worker.concurrency = Math.min(limit, running + fetchedAhead);
  };
  adapt();
  return {
    get most() {
      return limit;
    },
    async run(work) {
      running += 1;
      adapt();
      try {
        return await work();
      } finally {
        running -= 1;
        // A job that ends brings the next one with it where there is room, which BullMQ asks before anything else happens.
        worker.concurrency = limit;
        setImmediate(adapt);
      }
    },
    resize(next) {
      limit = next;
      adapt();
    },
  };
}
