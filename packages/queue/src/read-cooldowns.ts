import type { Redis } from 'ioredis';
import * as z from 'zod';
import { forgetAfterMs } from './cooldown-scripts.ts';
import { keys } from './names.ts';

/** What Redis holds of one that is set aside. Times are epoch milliseconds by Redis's clock. */
export const CooldownEntry = z.object({
  since: z.number(),
  until: z.number(),
  /** Failed probes so far. */
  round: z.number(),
  failures: z.number(),
  calls: z.number(),
  /** The code of the last error. */
  code: z.string(),
  probeUntil: z.number().optional(),
});
type CooldownEntry = z.infer<typeof CooldownEntry>;

/** A provider, or one model of it, that failed too often and is not called for a while. */
export interface Cooldown {
  provider: string;
  /** Absent where the whole provider is set aside. */
  model?: string;
  /** `open`: nobody calls it. `due`: the next request for it is a probe. `probing`: one call finds out how it is. */
  state: 'open' | 'due' | 'probing';
  since: number;
  /** When the next probe may start. */
  until: number;
  /** Failed calls of how many, probes included. */
  failures: number;
  calls: number;
  /** Error code of the last failure. */
  lastError: string;
}

/** Everything that is set aside now, as all workers and fronts share it; for health and metrics pages. */
export async function readCooldowns(redis: Redis, now: () => number = Date.now): Promise<Cooldown[]> {
  const found = await redis.hgetall(keys.cooldowns);
  return Object.entries(found)
    .flatMap(([scope, json]) => {
      const entry = CooldownEntry.safeParse(JSON.parse(json));
      return entry.success && entry.data.until + forgetAfterMs > now() ? [toCooldown(scope, entry.data, now())] : [];
    })
    .toSorted((a, b) => (toScope(a) < toScope(b) ? -1 : 1));
}

export function toCooldown(scope: string, entry: CooldownEntry, now: number): Cooldown {
  const slash = scope.indexOf('/');
  const isProbing = entry.probeUntil !== undefined && entry.probeUntil > now;
  return {
    provider: slash < 0 ? scope : scope.slice(0, slash),
    ...(slash >= 0 && { model: scope.slice(slash + 1) }),
    state: entry.until > now ? 'open' : isProbing ? 'probing' : 'due',
    since: entry.since,
    until: entry.until,
    failures: entry.failures,
    calls: entry.calls,
    lastError: entry.code,
  };
}

/** Of those set aside, the one that stands in the way of this model: its own, or its provider's. */
export function findCooldown(all: readonly Cooldown[], provider: string, model: string): Cooldown | undefined {
  return all.find((one) => one.provider === provider && (one.model === undefined || one.model === model));
}

function toScope({ provider, model }: Cooldown): string {
  return model === undefined ? provider : `${provider}/${model}`;
}
