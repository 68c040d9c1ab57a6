import type { Budget, Catalog } from '@aimm/catalog';
import type { DatabaseOnDemand } from '@aimm/database';
import type { FrontQueue } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import type { CachedRows } from './cached-rows.ts';
import type { KnownPreferences } from './known-preferences.ts';
import type { ProviderDirectory } from './provider-directory.ts';
import type { ModelSpeeds } from './model-speed.ts';
import type { ModelListing } from './model-listing.ts';

/** What every use case stands on, wired once in `createManager`. */
export interface Resources {
  catalog: Catalog;
  queue: FrontQueue;
  database: DatabaseOnDemand;
  databaseKind: 'sqlite' | 'postgresql';
  /** Whether prompts and answers may outlive their requests. */
  storesContent: boolean;
  cachedRows: CachedRows;
  /** What the access token of the caller brings; see `asCaller`. */
  ownBudgets?: readonly Budget[];
  providers: ProviderDirectory;
  listing: ModelListing;
  speeds: ModelSpeeds;
  preferences: KnownPreferences;
  /** How far batches were when they were looked at, by id, provider and lane: what their pace is told by. */
  batchPaces: Map<string, { at: number; done: number }[]>;
  /** Counts choices by speed, from 0. */
  choices: { next(): number };
  logger: Logger;
  /** Epoch milliseconds. May go back, as Redis tells the time: what is kept for a while is as old as its distance to now. */
  now: () => number;
  /** A UUIDv7: ids sort by time. */
  uuid: () => string;
}
