import type { ModelPrices } from '@aimm/contracts';
import type { Catalog, Price, ProviderConfig } from './catalog.ts';
import type { PriceOverride } from './config-schemas.ts';
import { computeCost } from './cost.ts';
import { createPriceData, type RateTable, type Rates, toRateTable } from './price-rates.ts';

interface PricingSources {
  findProvider: (id: string) => ProviderConfig | undefined;
  /** What models.json says of a model's price; `null` says that it is unknown. */
  findOverride: (provider: string, model: string) => PriceOverride | null | undefined;
  checkedOn: string;
}

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
export function createPricing({ findProvider, findOverride, checkedOn }: PricingSources): Pricing {
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
    if (stated !== undefined && stated !== null) return toRateTable(stated, checkedOn, provider?.kind);
    if (provider === undefined) return undefined;
    if (provider.kind === 'ollama') return local;
    for (const [index, model] of models.entries()) {
      const table = overrides[index] === null ? undefined : priceData.findRates(provider, model, at);
      if (table !== undefined) return table;
    }
    return undefined;
  };

  return {
    priceCall({ provider, model, answeredBy, usage, at, cachedForAnHour }): Price {
      const table = findTable(provider, answeredBy === undefined ? [model] : [answeredBy, model], at);
      if (table === undefined) return { costNanoUsd: null, priceVersion: priceData.version() };
      const costNanoUsd = table === local ? 0 : computeCost(usage, table, cachedForAnHour);
      return { costNanoUsd, priceVersion: table.version };
    },
    listPrices(provider, model, at) {
      const table = findTable(provider, [model], at);
      return table && toModelPrices(table.ratesAt(0));
    },
  };
}

function toModelPrices(rates: Rates): ModelPrices {
  return {
    inputPerMillionUsd: rates.input,
    outputPerMillionUsd: rates.output,
    ...(rates.cacheRead !== undefined && { cacheReadPerMillionUsd: rates.cacheRead }),
    ...(rates.cacheWrite !== undefined && { cacheWritePerMillionUsd: rates.cacheWrite }),
  };
}
