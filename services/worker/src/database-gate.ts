import { ModelManagerError } from '@aimm/contracts';
import { type Database, isRefusal } from '@aimm/database';
import { within } from '@aimm/runtime/within';

/** A database that did not take what it was given is not asked again for a while, lest everybody waits for its silence. */
export interface DatabaseGate<D> {
  /** Asks it, be it down or not, and notes whether it answers. @throws what it throws; unavailable where it is silent */
  ask<T>(ask: (database: D) => Promise<T>): Promise<T>;
  isDown(): boolean;
}

export interface DatabaseGateOptions<D> {
  database: () => Promise<D>;
  /** Past this it counts as down; a late success must do no harm, so what is written is idempotent. */
  patienceMs: number;
  /** How long it is left alone. */
  downForMs: number;
  /** It answers again. */
  onBack?: () => void;
}

export function createDatabaseGate<D extends Partial<Database>>(options: DatabaseGateOptions<D>): DatabaseGate<D> {
  const { database, patienceMs, downForMs, onBack } = options;
  // By the monotonic clock: what an outage lasts has nothing to do with the time of day.
  let downUntil: number | undefined;
  return {
    isDown: () => downUntil !== undefined && performance.now() < downUntil,
    async ask(ask) {
      const answers = () => {
        if (downUntil !== undefined) onBack?.();
        downUntil = undefined;
      };
      try {
        const answer = await within(patienceMs, database().then(ask), () => {
          throw new ModelManagerError('unavailable', 'The database did not answer in time.');
        });
        answers();
        return answer;
      } catch (error) {
        if (isRefusal(error)) answers();
        else downUntil = performance.now() + downForMs;
        throw error;
      }
    },
  };
}
