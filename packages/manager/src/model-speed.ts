import type { DatabaseOnDemand } from '@aimm/database';
import { askLedger } from './ask-ledger.ts';

/** Expected milliseconds of an answer of so many tokens; undefined where the model was not measured. */
export type ExpectTime = (model: string, outputTokens: number) => number | undefined;

export interface ModelSpeeds {
  /** `undefined`: the ledger cannot be asked now. */
  read(): Promise<ExpectTime | undefined>;
}

const measuredOverMs = 24 * 3_600_000;
const freshForMs = 30_000;
/** A database that hangs must not hold a request up. */
const answerWithinMs = 1_000;

/** What the ledger says of the last 24 hours, read at most twice a minute. */
export function createModelSpeeds(database: Pick<DatabaseOnDemand, 'get'>, now: () => number): ModelSpeeds {
  let known: { speeds: Promise<ExpectTime | undefined>; at: number } | undefined;

  const measure = async (): Promise<ExpectTime> => {
    const since = now() - measuredOverMs;
    const measured = await askLedger(database, answerWithinMs, (ledger) => ledger.measureSpeed(since));
    const speeds = new Map(measured.map((speed) => [speed.model, speed]));
    return (model, outputTokens) => {
      const speed = speeds.get(model);
      if (speed === undefined) return undefined;
      const { firstTokenMs, tokensPerSecond } = speed;
      return firstTokenMs + (tokensPerSecond === undefined ? 0 : (outputTokens / tokensPerSecond) * 1_000);
    };
  };
  return {
    read() {
      if (known === undefined || now() - known.at > freshForMs) {
        const speeds = measure().catch(() => undefined);
        known = { speeds, at: now() };
        // What could not be read is asked for again at the next choice.
        void speeds.then((found) => found === undefined && (known = undefined));
      }
      return known.speeds;
    },
  };
}
