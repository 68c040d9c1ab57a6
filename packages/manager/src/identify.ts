import { createHash } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import type { AccessToken, DatabaseOnDemand } from '@aimm/database';
import type { FrontQueue } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { askDatabase } from './ask-database.ts';
import type { Caller } from './caller.ts';

/** For so long a token that was found is taken without asking again, and then taken once more while it is looked up. */
const freshForMs = 2_000;
/** Nobody who was revoked longer ago than this is let in, also where the word of it was not heard. */
const usableForMs = 4_000;
/** While the database is away, who was known before it left is let in for so long. */
const awayForMs = 300_000;
/** A database that is away holds up one request a second, and not each. */
const retryEveryMs = 1_000;
const unknownForMs = 2_000;
/** Strangers may make up as many tokens as they like: so many are remembered as wrong. */
const maxUnknown = 1_000;
const maxKnown = 10_000;
const askWithinMs = 1_500;
const recordUseEveryMs = 60_000;

interface Known {
  token: AccessToken;
  caller: Caller;
  /** When it was looked up, and how many changes had been told by then. */
  readAt: number;
  changes: number;
}

export interface IdentifyOptions {
  database: Pick<DatabaseOnDemand, 'get'>;
  changes: FrontQueue['tokenChanges'];
  logger: Logger;
  /** Epoch milliseconds. */
  now: () => number;
}

/**
 * Tells whose access token it is; undefined where it is nobody's, was revoked or has expired. Asks the database every few seconds
 * for each token that is in use, and not for each call.
 * @throws unavailable where the database does not answer and the token was not known before
 */
export function createIdentify(options: IdentifyOptions): (token: string) => Promise<Caller | undefined> {
  const { database, logger, now } = options;
  // By the token's hash: the token itself stays nowhere.
  const known = new Map<string, Known>();
  const unknown = new Map<string, number>();
  const lookups = new Map<string, { changes: number; found: Promise<Known | undefined> }>();
  const usedAt = new Map<string, number>();
  let changes = 0;
  let failedAt: number | undefined;

  const noteUse = ({ id, lastUsedAt = 0 }: AccessToken, at: number) => {
    if (at - Math.max(usedAt.get(id) ?? 0, lastUsedAt) < recordUseEveryMs) return;
    keep(usedAt, id, at, maxKnown);
    database
      .get()
      .then(({ accessTokens }) => accessTokens.recordUse(id, at))
      .catch((error: unknown) => logger.debug({ err: error }, 'Could not note the use of an access token'));
  };
  const admit = ({ token, caller }: Known): Caller | undefined => {
    const at = now();
    if (token.expiresAt !== undefined && token.expiresAt <= at) return undefined;
    noteUse(token, at);
    return caller;
  };
  const read = async (hash: string, secret: string): Promise<Known | undefined> => {
    const readAt = now();
    const asOf = changes;
    try {
      const token = await askDatabase(database, askWithinMs, ({ accessTokens }) => accessTokens.find(secret));
      failedAt = undefined;
      const entry = token && { token, caller: toCaller(token), readAt, changes: asOf };
      if (entry === undefined) known.delete(hash);
      else keep(known, hash, entry, maxKnown);
      // What changed meanwhile may be this one.
      if (entry === undefined && asOf === changes) keep(unknown, hash, readAt, maxUnknown);
      return entry;
    } catch (error) {
      failedAt = now();
      throw error;
    }
  };
  const lookUp = (hash: string, secret: string) => {
    const running = lookups.get(hash);
    if (running?.changes === changes) return running.found;
    const found = read(hash, secret).finally(() => lookups.get(hash)?.found === found && lookups.delete(hash));
    lookups.set(hash, { changes, found });
    return found;
  };

  return async (secret) => {
    if (!secret.startsWith('aimm_')) return undefined;
    options.changes.listen(() => {
      changes += 1;
      unknown.clear();
    });
    const hash = createHash('sha256').update(secret).digest('base64');
    const toAge = (at = Number.NEGATIVE_INFINITY) => Math.abs(now() - at);
    if (toAge(unknown.get(hash)) < unknownForMs) return undefined;
    const entry = known.get(hash);
    const ageMs = entry === undefined || entry.changes !== changes ? Infinity : toAge(entry.readAt);
    if (entry !== undefined && ageMs < usableForMs) {
      if (ageMs >= freshForMs) void lookUp(hash, secret).catch(() => undefined);
      return admit(entry);
    }
    const mayGoOn = entry !== undefined && toAge(entry.readAt) < awayForMs;
    if (mayGoOn && toAge(failedAt) < retryEveryMs) return admit(entry);
    try {
      const found = await lookUp(hash, secret);
      return found && admit(found);
    } catch (error) {
      if (mayGoOn) return admit(entry);
      throw new ModelManagerError('unavailable', 'Access tokens cannot be checked: the database does not answer.', {
        hint: 'Nothing was asked. Try again in a few seconds; `aimm doctor` on the server looks at the database.',
        retryable: true,
        cause: error,
      });
    }
  };
}

function toCaller({ name, scopes, limits, budgets }: AccessToken): Caller {
  return { client: name, admin: scopes.includes('admin'), scopes, limits, budgets };
}

/** The oldest makes room. */
function keep<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
