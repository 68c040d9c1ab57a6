import type { Catalog } from '@aimm/catalog';
import { type ErrorShape, type ListedModel, type ModelInfo, toModelManagerError } from '@aimm/contracts';
import type { FrontQueue } from '@aimm/queue';
import { probe } from './probe.ts';
import type { ProviderDirectory } from './provider-directory.ts';

export interface ModelListing {
  /**
   * What the configured providers list themselves, as any front was told it within the last 5 minutes; `refresh` asks
   * anew, for all of them. Providers that cannot be asked are `problems`.
   */
  read(
    provider?: string,
    refresh?: boolean,
  ): Promise<{ models: ModelInfo[]; problems: { provider: string; error: ErrorShape }[] }>;
  /** What this process has read so far, without asking anybody. */
  known(): ModelInfo[];
}

const freshForMs = 300_000;
const askForMs = 8_000;

export interface ModelListingOptions {
  catalog: Catalog;
  queue: FrontQueue;
  providers: ProviderDirectory;
  now: () => number;
  uuid: () => string;
}

export function createModelListing({ catalog, queue, providers, now, uuid }: ModelListingOptions): ModelListing {
  const known = new Map<string, ModelInfo[]>();

  const ask = async (provider: string, refresh: boolean) => {
    // What the stand-ins of the demo list is nobody's when a key comes.
    const key = (await providers.isDemo(provider)) ? `${provider}-demo` : provider;
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
    return models;
  };

  return {
    known: () => [...known.values()].flat(),
    async read(provider, refresh = false) {
      const problems: { provider: string; error: ErrorShape }[] = [];
      const wanted = catalog.providers.filter(({ id }) => provider === undefined || id === provider);
      const lists = await Promise.all(
        wanted.map(async ({ id }) => {
          if ((await providers.isConfigured(id)) !== true) return [];
          try {
            return await ask(id, refresh);
          } catch (error) {
            problems.push({ provider: id, error: toModelManagerError(error).toShape() });
            return known.get(id) ?? [];
          }
        }),
      );
      return { models: lists.flat(), problems };
    },
  };
}
