import type { ModelPrices, Warning } from '@aimm/contracts';
import type { Catalog, Price, ProviderConfig } from './catalog.ts';
import type { PriceOverride, TierPrice } from './config-schemas.ts';
import { computeCost } from './cost.ts';
import { createPriceData, type RateTable, type Rates, scaleRates, toRateTable } from './price-rates.ts';

interface PricingSources {
  findProvider: (id: string) => ProviderConfig | undefined;
  /** What models.json says of a model's price; `null` says that it is unknown. */
  findOverride: (provider: string, model: string) => PriceOverride | null | undefined;
  /** What models.json says of a service tier; null where nobody knows. */
  findTierPrice: (provider: string, models: readonly string[], tier: string) => TierPrice;
  /** Names the prices of models.json. */
  version: string;
}

/** The vendors' words for what is billed at the list price. Whatever else answered costs something else. */
const ordinaryTiers: ReadonlySet<string> = new Set([
  '',
  'auto',
  'default',
  'on_demand',
  'standard',
  'standard_only',
  'unspecified',
]);

/** A model on the user's own machine costs nothing. */
const local: RateTable = { version: 'local', ratesAt: () => ({ input: 0, output: 0 }) };

const tableFreshForMs = 60_000;
const maxKnownTables = 2_000;

export interface Pricing {
  priceCall: Catalog['priceCall'];
  /** `at`: epoch milliseconds. Prices of a request of ordinary length. */
  listPrices: (provider: string, model: string, at: number) => ModelPrices | undefined;
}

/** models.json before the bundled price data, the model that answered before the one that was asked. */
export function createPricing({ findProvider, findOverride, findTierPrice, version }: PricingSources): Pricing {
  const priceData = createPriceData();
  /** Looking a table up takes some 50 µs and happens on every call; prices change by the day, not by the minute. */
  const known = new Map<string, RateTable | undefined>();
  const findTable = (providerId: string, models: readonly string[], at: number): RateTable | undefined => {
    const key = JSON.stringify([providerId, models, Math.floor(at / tableFreshForMs)]);
    if (!known.has(key)) {
      if (known.size >= maxKnownTables) known.clear();
      known.set(key, lookUpTable(providerId, models, at));
    }
    return known.get(key);
  };
  const lookUpTable = (providerId: string, models: readonly string[], at: number): RateTable | undefined => {
    const overrides = models.map((model) => findOverride(providerId, model));
    const stated = overrides.find((override) => override !== undefined && override !== null);
    const provider = findProvider(providerId);
    if (stated !== undefined && stated !== null) return toRateTable(stated, version, provider?.kind);
    if (provider === undefined) return undefined;
    if (provider.kind === 'ollama') return local;
    for (const [index, model] of models.entries()) {
      const table = overrides[index] === null ? undefined : priceData.findRates(provider, model, at);
      if (table !== undefined) return table;
    }
    return undefined;
  };

  const findTierTable = (
    table: RateTable,
    providerId: string,
    models: readonly string[],
    tier: string,
  ): RateTable | undefined => {
    const price = findTierPrice(providerId, models, tier);
    if (price === null) return undefined;
    if (typeof price === 'number') return scaleRates(table, price, version);
    return toRateTable(price, version, findProvider(providerId)?.kind);
  };

  return {
    priceCall({ provider, model, answeredBy, usage, at, cachedForAnHour, serviceTier }): Price {
      const models = answeredBy === undefined ? [model] : [answeredBy, model];
      const table = findTable(provider, models, at);
      if (table === undefined) return { costNanoUsd: null, priceVersion: priceData.version() };
      if (table === local) return { costNanoUsd: 0, priceVersion: table.version };
      const tier = toTierName(serviceTier);
      if (ordinaryTiers.has(tier)) {
        return { costNanoUsd: computeCost(usage, table, cachedForAnHour), priceVersion: table.version };
      }
      const tiered = findTierTable(table, provider, models, tier);
      const priceVersion = `${tiered?.version ?? table.version} (${tier})`;
      if (tiered === undefined) {
        return { costNanoUsd: null, priceVersion, warning: warnOfTier(`${provider}/${model}`, tier) };
      }
      return { costNanoUsd: computeCost(usage, tiered, cachedForAnHour), priceVersion };
    },
    listPrices(provider, model, at) {
      const table = findTable(provider, [model], at);
      return table && toModelPrices(table.ratesAt(0));
    },
  };
}

/** The word is the vendor's, and goes into warnings and the ledger: what does not look like a tier's name stays out. */
function toTierName(word = ''): string {
  return /^[\w-]{0,40}$/.test(word) ? word.toLowerCase() : 'other';
}

function warnOfTier(model: string, tier: string): Warning {
  return { code: 'unknown_price', message: `The price of ${model} in the service tier "${tier}" is unknown.` };
}

function toModelPrices(rates: Rates): ModelPrices {
  return {
    inputPerMillionUsd: rates.input,
    outputPerMillionUsd: rates.output,
    ...(rates.cacheRead !== undefined && { cacheReadPerMillionUsd: rates.cacheRead }),
    ...(rates.cacheWrite !== undefined && { cacheWritePerMillionUsd: rates.cacheWrite }),
  };
}
