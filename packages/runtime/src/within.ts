import { setImmediate } from 'node:timers';

/**
 * What `work` gives where it settles within `ms`, else what `late` gives or throws. The work is not stopped: it goes on, and
 * what becomes of it then is ignored.
 */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<void>((resolve) => {
    // What came while the event loop was held up by something else gets its turn first.
    timer = setTimeout(() => setImmediate(resolve), Math.max(0, ms));
  });
  try {
    return await Promise.race([work, timeIsUp.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
