import type { ModelInfo, ModelPrices } from '@aimm/contracts';
import type { BudgetConfig } from './budgets.ts';
import type { Catalog, Limits, ModelFilter, ProviderConfig, Routing } from './catalog.ts';
import type { ModelEntry, TierPrices } from './config-schemas.ts';
import { matchesFilter } from './matches-filter.ts';
import { toFamilyId } from './model-names.ts';
import { toPriceVersion } from './price-version.ts';
import { createPricing } from './pricing.ts';
import { createResolver } from './resolve-model.ts';

export interface CatalogContent {
  providers: readonly ProviderConfig[];
  models: readonly ModelEntry[];
  /** What service tiers cost, by provider or kind. */
  serviceTiers: Readonly<Record<string, TierPrices>>;
  /** The day somebody last compared models.json with what vendors publish. */
  checkedOn: string;
  routing: Routing;
  budgets: readonly BudgetConfig[];
  /** By the client's name; `*`: each client without an entry of its own. */
  clients: Readonly<Record<string, Limits>>;
  now: () => number;
}

export function createCatalog(content: CatalogContent): Catalog {
  const { providers, routing, clients, now } = content;
  const providersById = new Map(providers.map((provider) => [provider.id, provider]));
  const entries = new Map(content.models.map((entry) => [`${entry.provider}/${entry.id}`, entry]));
  /** The entry of a model or of the model that it is a snapshot of. */
  const findEntry = (providerId: string, model: string): ModelEntry | undefined => {
    const kind = providersById.get(providerId)?.kind ?? '';
    return entries.get(`${providerId}/${model}`) ?? entries.get(`${providerId}/${toFamilyId(model, kind)}`);
  };
  const pricing = createPricing({
    findProvider: (id) => providersById.get(id),
    findOverride: (provider, model) => findEntry(provider, model)?.prices,
    findTierPrice(providerId, models, tier) {
      const kind = providersById.get(providerId)?.kind ?? '';
      const stated = [
        ...models.map((model) => findEntry(providerId, model)?.serviceTiers),
        content.serviceTiers[providerId],
        content.serviceTiers[kind],
      ];
      return stated.map((tiers) => tiers?.[tier]).find((price) => price !== undefined) ?? null;
    },
    version: toPriceVersion(content),
  });
  const pricesOf = (provider: string, model: string): ModelPrices | undefined =>
    pricing.listPrices(provider, model, now());
  const toInfo = (entry: ModelEntry, id: string): ModelInfo => {
    const { prices: _override, serviceTiers: _tiers, ...facts } = entry;
    const prices = pricesOf(entry.provider, id);
    return { ...facts, id, ...(prices !== undefined && { prices }), source: 'catalog' };
  };
  const findModel = (provider: string, model: string): ModelInfo | undefined => {
    const entry = findEntry(provider, model);
    return entry && toInfo(entry, model);
  };
  const listModels = (filter: ModelFilter = {}): ModelInfo[] =>
    content.models
      .filter((entry) => matchesFilter(entry, filter))
      .map((entry) => toInfo(entry, entry.id))
      .sort((a, b) => compareText(a.provider, b.provider) || compareText(a.id, b.id));

  return {
    providers,
    routing,
    budgets: content.budgets,
    checkedOn: content.checkedOn,
    findProvider: (id) => providersById.get(id),
    findClientLimits: (client) => (Object.hasOwn(clients, client) ? clients[client] : clients['*']),
    listModels,
    findModel,
    hasEntry: (provider, model) => entries.has(`${provider}/${model}`),
    pricesOf,
    priceCall: pricing.priceCall,
    ...createResolver({ providers, entryNames: [...entries.keys()], findModel, pricesOf }),
  };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
