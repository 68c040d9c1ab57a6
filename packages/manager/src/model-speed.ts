import type { DatabaseOnDemand } from '@aimm/database';

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
    const { ledger } = await database.get();
    const speeds = new Map((await ledger.measureSpeed(now() - measuredOverMs)).map((speed) => [speed.model, speed]));
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
        const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), answerWithinMs).unref());
        const speeds = Promise.race([measure().catch(() => undefined), late]);
        known = { speeds, at: now() };
        // What could not be read is asked for again at the next choice.
        void speeds.then((found) => found === undefined && (known = undefined));
      }
      return known.speeds;
    },
  };
}
