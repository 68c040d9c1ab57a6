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
/** What could not be read is read again after so long, behind the backs of those who choose meanwhile. */
const askAgainAfterMs = 3_000;

/** What the ledger says of the last 24 hours, read at most twice a minute. */
export function createModelSpeeds(database: Pick<DatabaseOnDemand, 'get'>, now: () => number): ModelSpeeds {
  let known: { speeds: Promise<ExpectTime | undefined>; at: number } | undefined;
  let failedAt: number | undefined;

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
  const begin = () => {
    const speeds = measure().then(
      (found) => {
        failedAt = undefined;
        return found;
      },
      () => {
        failedAt = now();
        known = undefined;
        return undefined;
      },
    );
    known = { speeds, at: now() };
    return speeds;
  };
  return {
    read() {
      const isFresh = known !== undefined && Math.abs(now() - known.at) <= freshForMs;
      if (failedAt === undefined) return isFresh && known !== undefined ? known.speeds : begin();
      // Whether the database is back is asked by one, and waited for by nobody.
      if (!isFresh && Math.abs(now() - failedAt) > askAgainAfterMs) void begin();
      return Promise.resolve(undefined);
    },
  };
}
