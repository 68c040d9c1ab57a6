import type { Catalog } from '@aimm/catalog';
import { type ErrorShape, type ListedModel, type ModelInfo, toModelManagerError } from '@aimm/contracts';
import type { FrontQueue } from '@aimm/queue';
import { within } from '@aimm/runtime/within';
import { probe } from './probe.ts';
import type { ProviderDirectory } from './provider-directory.ts';

export interface ModelListing {
  /**
   * What the configured providers list themselves, as any front was told it within the last 5 minutes; `refresh` asks
   * anew, for all of them. Those that `answered`, be it with nothing, have no other models; those that cannot be asked are `problems`.
   */
  read(
    provider?: string,
    refresh?: boolean,
  ): Promise<{ models: ModelInfo[]; answered: string[]; problems: { provider: string; error: ErrorShape }[] }>;
  /**
   * What a configured provider lists, for a choice that is being made. One that does not answer within a second, or did not lately,
   * counts with what was known of it before; it goes on being asked behind the caller's back. Never rejects.
   */
  readSoon(provider: string): Promise<ModelInfo[]>;
  /** What this process has read so far, without asking anybody. */
  known(): ModelInfo[];
}

const freshForMs = 300_000;
const askForMs = 8_000;
/** A provider that works answers in some milliseconds; whoever asks another model is not to wait for one that does not. */
const patienceMs = 1_000;
/** One that could not be asked is asked again for choices after so long. */
const failedForMs = 10_000;

export interface ModelListingOptions {
  catalog: Catalog;
  queue: FrontQueue;
  providers: ProviderDirectory;
  now: () => number;
  uuid: () => string;
}

export function createModelListing({ catalog, queue, providers, now, uuid }: ModelListingOptions): ModelListing {
  const known = new Map<string, ModelInfo[]>();
  const knownOf = (provider: string) => known.get(provider) ?? [];
  /** Under which key each provider's list was last looked for: its own, or that of the demo's stand-in. */
  const keys = new Map<string, string>();
  const failedAt = new Map<string, number>();

  const ask = async (provider: string, refresh: boolean) => {
    // What the stand-ins of the demo list is nobody's when a key comes.
    const key = (await providers.isDemo(provider)) ? `${provider}-demo` : provider;
    if (keys.get(provider) !== key) known.delete(provider);
    keys.set(provider, key);
    const kept = refresh ? undefined : await queue.listings.find(key);
    const listing = kept ?? (await probe(queue, 'list-models', { provider, timeoutMs: askForMs, uuid, now }));
    if (kept === undefined) await queue.listings.keep(key, listing, freshForMs);
    const models = listing.models.map((model: ListedModel): ModelInfo => ({
      ...model,
      provider,
      source: 'provider',
      listed: true,
    }));
    known.set(provider, models);
    failedAt.delete(provider);
    return models;
  };

  const asking = new Map<string, { since: number; models: Promise<ModelInfo[]> }>();
  const askOnce = (provider: string) => {
    const models = ask(provider, false)
      .catch(() => {
        failedAt.set(provider, now());
        return knownOf(provider);
      })
      .finally(() => asking.delete(provider));
    const begun = { since: now(), models };
    asking.set(provider, begun);
    return begun;
  };

  return {
    async readSoon(provider) {
      if (Math.abs(now() - (failedAt.get(provider) ?? Number.NEGATIVE_INFINITY)) < failedForMs)
        return knownOf(provider);
      const { since, models } = asking.get(provider) ?? askOnce(provider);
      return within(patienceMs - Math.abs(now() - since), models, () => knownOf(provider));
    },
    known: () => [...known.values()].flat(),
    async read(provider, refresh = false) {
      const answered: string[] = [];
      const problems: { provider: string; error: ErrorShape }[] = [];
      const wanted = catalog.providers.filter(({ id }) => provider === undefined || id === provider);
      const lists = await Promise.all(
        wanted.map(async ({ id }) => {
          if ((await providers.isConfigured(id)) !== true) return [];
          try {
            const models = await ask(id, refresh);
            answered.push(id);
            return models;
          } catch (error) {
            problems.push({ provider: id, error: toModelManagerError(error).toShape() });
            return knownOf(id);
          }
        }),
      );
      return { models: lists.flat(), answered, problems };
    },
  };
}
