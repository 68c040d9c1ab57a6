import type { Catalog } from '@aimm/catalog';
import { type ErrorShape, type ListedModel, type ModelInfo, toModelManagerError } from '@aimm/contracts';
import type { FrontQueue } from '@aimm/queue';
import { probe } from './probe.ts';
import type { ProviderDirectory } from './provider-directory.ts';

export interface ModelListing {
  /** What the configured providers list themselves; `refresh` asks anew. Providers that cannot be asked are `problems`. */
  read(
    provider?: string,
    refresh?: boolean,
  ): Promise<{ models: ModelInfo[]; problems: { provider: string; error: ErrorShape }[] }>;
  /** What has been read so far, without asking anybody. */
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
  const cached = new Map<string, { models: ModelInfo[]; at: number }>();

  const ask = async (provider: string, refresh: boolean) => {
    const known = cached.get(provider);
    if (known !== undefined && !refresh && now() - known.at < freshForMs) return known.models;
    const { models } = await probe(queue, 'list-models', { provider, timeoutMs: askForMs, uuid, now });
    const listed = models.map((model: ListedModel): ModelInfo => ({
      ...model,
      provider,
      source: 'provider',
      listed: true,
    }));
    cached.set(provider, { models: listed, at: now() });
    return listed;
  };

  return {
    known: () => [...cached.values()].flatMap(({ models }) => models),
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
            return cached.get(id)?.models ?? [];
          }
        }),
      );
      return { models: lists.flat(), problems };
    },
  };
}
