import { jobs, type JobResult } from '@aimm/contracts';
import { within } from '@aimm/runtime/within';
import type { Redis } from 'ioredis';
import { keys } from './names.ts';

type Listing = JobResult<'list-models'>;

/** What providers list, kept for all fronts together. A cache that fails is a cache miss. */
export interface ListingCache {
  find(provider: string): Promise<Listing | undefined>;
  keep(provider: string, listing: Listing, ttlMs: number): Promise<void>;
}

/** A Redis that hangs is slower than asking the provider; this is not. */
const answerWithinMs = 250;

export function createListingCache(redis: Redis): ListingCache {
  return {
    async find(provider) {
      const asked = redis.get(keys.listing(provider)).catch(() => null);
      const json = await within(answerWithinMs, asked, () => null);
      return json === null ? undefined : jobs['list-models'].result.safeParse(JSON.parse(json)).data;
    },
    async keep(provider, listing, ttlMs) {
      await redis.set(keys.listing(provider), JSON.stringify(listing), 'PX', ttlMs).catch(() => undefined);
    },
  };
}
