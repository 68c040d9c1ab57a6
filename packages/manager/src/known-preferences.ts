import type { Catalog } from '@aimm/catalog';
import { everyClient, type ModelPreference } from '@aimm/contracts';
import type { DatabaseOnDemand } from '@aimm/database';
import type { PreferenceNews } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { within } from '@aimm/runtime/within';
import { type AliasSet, toAliasSet } from './aliases.ts';

/** What clients prefer, as this front knows it. */
export interface KnownPreferences {
  /**
   * The client's own, everybody's and what is built in. Asks the database at most every few seconds, and no caller waits for
   * one that is away. `isKnown`: false while it never answered, so that only what is built in is there.
   */
  read(client: string): Promise<{ set: AliasSet; isKnown: boolean }>;
  /** They have changed here: forgets them, and tells the other fronts. */
  changed(client: string): Promise<void>;
}

/** Older than this they are read anew behind the caller's back, and older than that before he goes on. */
const [freshForMs, staleAfterMs] = [2_500, 5_000];
/** A database that hangs holds up those who ask within this time of its first question, and nobody after. */
const answerWithinMs = 1_500;
/** What does not answer is asked again after so long. */
const retryAfterMs = 2_000;
const mostClients = 1_000;
/** What changes while it is read is read once more; who changes it without end is not waited for. */
const mostReads = 3;

interface Entry {
  preferences: readonly ModelPreference[] | undefined;
  readAt: number;
  reading: { done: Promise<void>; since: number } | undefined;
  /** The set, as long as neither the preferences nor the configuration change. */
  set: { of: AliasSet; routing: Catalog['routing'] } | undefined;
}

export interface KnownPreferencesOptions {
  catalog: Catalog;
  database: Pick<DatabaseOnDemand, 'get'>;
  news: PreferenceNews;
  logger: Logger;
  now: () => number;
}

export function createKnownPreferences(options: KnownPreferencesOptions): KnownPreferences {
  const { catalog, database, news, logger, now } = options;
  const entries = new Map<string, Entry>();
  let failedAt = Number.NEGATIVE_INFINITY;

  const toAge = (at: number) => Math.abs(now() - at);
  const forget = (client: string) => {
    const concerned = client === everyClient ? [...entries.values()] : [entries.get(client)];
    // What is being read now may be what was before.
    for (const entry of concerned)
      if (entry) Object.assign(entry, { readAt: Number.NEGATIVE_INFINITY, reading: undefined });
  };

  const load = (client: string, entry: Entry): Promise<void> => {
    if (entry.reading !== undefined) return entry.reading.done;
    const reading = { since: now(), done: Promise.resolve() };
    entry.reading = reading;
    reading.done = database
      .get()
      .then(({ preferences }) => preferences.list(client))
      .then(
        (preferences) => {
          if (entry.reading === reading) Object.assign(entry, { preferences, readAt: reading.since, set: undefined });
        },
        (error: unknown) => {
          failedAt = now();
          logger.debug({ err: error }, 'Preferences could not be read; the last known ones hold');
        },
      )
      .finally(() => {
        if (entry.reading === reading) entry.reading = undefined;
      });
    return reading.done;
  };

  const open = (client: string): Entry => {
    const known = entries.get(client);
    if (known !== undefined) return known;
    if (entries.size >= mostClients) entries.clear();
    const entry: Entry = {
      preferences: undefined,
      readAt: Number.NEGATIVE_INFINITY,
      reading: undefined,
      set: undefined,
    };
    entries.set(client, entry);
    return entry;
  };

  return {
    async read(client) {
      news.listen(forget);
      const entry = open(client);
      for (let asked = 0; asked < mostReads && toAge(entry.readAt) >= staleAfterMs; asked += 1) {
        const since = entry.reading?.since;
        if (since === undefined ? toAge(failedAt) < retryAfterMs : toAge(since) >= answerWithinMs) break;
        await within(answerWithinMs - (since === undefined ? 0 : toAge(since)), load(client, entry), () => undefined);
      }
      if (toAge(entry.readAt) >= freshForMs && toAge(failedAt) >= retryAfterMs) void load(client, entry);
      if (entry.set === undefined || entry.set.routing !== catalog.routing) {
        entry.set = { of: toAliasSet(entry.preferences ?? [], catalog), routing: catalog.routing };
      }
      return { set: entry.set.of, isKnown: entry.preferences !== undefined };
    },
    async changed(client) {
      forget(client);
      await news.tell(client);
    },
  };
}
