import { setTimeout as delay } from 'node:timers/promises';

export interface GatherOptions<T> {
  /** Things in one write. */
  most: number;
  /** How long a write waits for more to come. */
  waitMs: () => number;
  /** Resolves once all of them are safe. */
  write: (things: readonly T[]) => Promise<void>;
}

/** What arrives while a write is under way goes together in the next one. Each caller hears of the write that its thing was in. */
export function gatherWrites<T>({ most, waitMs, write }: GatherOptions<T>): (thing: T) => Promise<void> {
  let pending: { thing: T; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let writing = false;

  const drain = async () => {
    writing = true;
    while (pending.length > 0) {
      if (pending.length < most) await delay(waitMs());
      const some = pending.slice(0, most);
      pending = pending.slice(most);
      try {
        await write(some.map(({ thing }) => thing));
        for (const { resolve } of some) resolve();
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    // In the same breath as the look at what is pending: what came in between would lie there.
    writing = false;
  };

  return (thing) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    pending.push({ thing, resolve, reject });
    if (!writing) void drain();
    return promise;
  };
}
