import { type Consumer, listUnserved, listWorkers, queueOf, type Redis } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';

/** Ends what waits for providers that the configuration has no more. */
export interface DepartedProviders {
  /** To be called whenever the configuration changed. */
  look(): Promise<void>;
  close(): void;
}

export interface DepartedOptions {
  redis: Redis;
  consumer: Pick<Consumer, 'leave' | 'drain'>;
  /** All of the configuration, whether this worker serves them or not. */
  configured: () => readonly string[];
  /** Those that this worker serves. */
  served: () => readonly string[];
  logger: Logger;
  everyMs?: number;
}

/**
 * One that was not there when this worker started is given up only after nobody served it for so long: it may be another machine's, whose
 * configuration has it.
 */
const unservedMs = 10 * 60_000;

/**
 * A provider that was removed from the file: this worker takes no more jobs of it, calls under way end as they would, and once no other
 * worker serves it either, what waits is taken up to be told so. Put back, it is served as before.
 */
export function createDepartedProviders(options: DepartedOptions): DepartedProviders {
  const { redis, consumer, configured, served, logger, everyMs = 4_000 } = options;
  const known = new Set(served());
  /** Of those that this worker served, the ones that are gone from the configuration. */
  const left = new Set<string>();
  const drained = new Set<string>();

  const leave = (id: string) => {
    consumer.leave(queueOf('generate', id));
    consumer.leave(queueOf('check-health', id));
    drained.delete(id);
  };
  const findOrphans = async () => {
    const listed = new Set(configured());
    const orphans = [...left, ...(await listUnserved(redis, unservedMs))].filter((id) => !listed.has(id));
    if (orphans.length === 0 && drained.size === 0) return new Set<string>();
    const workers = await listWorkers(redis);
    const elsewhere = new Set(workers.flatMap(({ providers }) => providers.map(({ id }) => id)));
    return new Set(orphans.filter((id) => !elsewhere.has(id)));
  };
  const drain = async () => {
    const orphans = await findOrphans();
    for (const id of drained) if (!orphans.has(id)) leave(id);
    for (const id of orphans) {
      if (!drained.has(id)) logger.info({ provider: id }, 'What waits for a provider that was removed is ended');
      drained.add(id);
      await consumer.drain(queueOf('generate', id));
    }
  };
  let looking: Promise<void> = Promise.resolve();
  const look = () => {
    looking = looking.then(drain).catch((error: unknown) => {
      logger.debug({ err: error }, 'Could not look for providers that were removed');
    });
    return looking;
  };
  const timer = setInterval(() => void look(), everyMs).unref();

  return {
    look() {
      const now = new Set(served());
      for (const id of known) if (!now.has(id)) leave(id);
      for (const id of now) if (drained.has(id)) leave(id);
      for (const id of known) if (!configured().includes(id)) left.add(id);
      for (const id of configured()) left.delete(id);
      known.clear();
      for (const id of now) known.add(id);
      return look();
    },
    close: () => clearInterval(timer),
  };
}
