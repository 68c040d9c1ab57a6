import { setTimeout as delay } from 'node:timers/promises';

/** What is done again and again, until it is closed. */
export interface Repeated {
  /** Aborted once it is being closed. */
  readonly signal: AbortSignal;
  /** Resolves once the round under way has ended. */
  close(): Promise<void>;
}

/** Begins at once, then `everyMs` after each round, whether it worked or not. */
export function repeat(
  round: (signal: AbortSignal) => Promise<void>,
  { everyMs, onFailure }: { everyMs: number; onFailure: (error: unknown) => void },
): Repeated {
  const closing = new AbortController();
  const { signal } = closing;
  const run = async () => {
    while (!signal.aborted) {
      try {
        await round(signal);
      } catch (error) {
        if (!signal.aborted) onFailure(error);
      }
      // Aborted: closing.
      await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    signal,
    async close() {
      closing.abort();
      await running;
    },
  };
}
