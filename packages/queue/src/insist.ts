import { setTimeout as delay } from 'node:timers/promises';
import { isRefusal } from './connection.ts';

/** Shorter than the silence after which another worker takes the job up. */
const againAfterMs = 250;

/**
 * Writes once more, as often as it takes, where Redis answers and takes no writes: what the call cost is paid. `write` can be
 * repeated. @throws what `write` throws otherwise, and the refusal once `goesOn` is false
 */
export async function insist<T>(write: () => Promise<T>, goesOn: () => boolean): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isRefusal(error) || !goesOn()) throw error;
      await delay(againAfterMs);
    }
  }
}
