import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as GenaiPrices from '@pydantic/genai-prices';
import type { PriceOverride } from './config-schemas.ts';

/** What each kind of token costs, in US dollars per million. Absent: billed as plain input or output. */
export interface Rates {
  input: number;
  output: number;
  cacheRead?: number;
  cacheWrite?: number;
  /** Written to be kept for an hour; absent: as `cacheWrite`. */
  cacheWriteHour?: number;
  reasoning?: number;
  /** What was heard; absent: as `input` and `cacheRead`. */
  inputAudio?: number;
  cacheReadAudio?: number;
}

/** One model's rates, by the length of the request's whole input in tokens. */
export interface RateTable {
  version: string;
  ratesAt(inputTokens: number): Rates;
}

type PriceField =
  | 'input_mtok'
  | 'output_mtok'
  | 'cache_read_mtok'
  | 'cache_write_mtok'
  | 'cache_write_1h_mtok'
  | 'output_reasoning_mtok'
  | 'input_audio_mtok'
  | 'cache_audio_read_mtok';

/** genai-prices' own name for a vendor whose kind speaks to that vendor only. */
const vendorOfKind: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'google',
  mistral: 'mistral',
};

export interface PriceData {
  /** `genai-prices@…` */
  version: () => string;
  /** Rates of `model` at `at` (epoch milliseconds); undefined when the data does not have exactly this model. */
  findRates: (provider: { id: string; kind: string }, model: string, at: number) => RateTable | undefined;
}

/**
 * The bundled price data of @pydantic/genai-prices; nothing is ever fetched. Loaded at the first question, because
 * it takes some 35 ms: a front answers its first messages without it.
 */
export function createPriceData(): PriceData {
  let loaded: { library: typeof GenaiPrices; version: string } | undefined;
  const load = () => (loaded ??= loadLibrary());
  return {
    version: () => load().version,
    findRates(provider, model, at) {
      const { library, version } = load();
      const vendor = vendorOfKind[provider.kind] ?? provider.id;
      const found = library.calcPrice({}, model, { providerId: vendor, timestamp: new Date(at) });
      // The library also matches providers by resemblance: a server called my-openai must not get OpenAI's prices.
      if (found === null || found.provider.id !== vendor || isOtherVersion(found.model.id, model)) return undefined;
      const prices = found.model_price;
      if (prices['input_mtok'] === undefined && prices['output_mtok'] === undefined) return undefined;
      // A fee for each request besides its tokens: no price is better than a part of it.
      if (prices['requests_kcount'] !== undefined) return undefined;
      return { version, ratesAt: (inputTokens) => toRates(prices, inputTokens) };
    },
  };
}

function loadLibrary(): { library: typeof GenaiPrices; version: string } {
  const require = createRequire(import.meta.url);
  // require() is untyped; the package's types describe what it returns.
  const library = require('@pydantic/genai-prices') as typeof GenaiPrices;
  const manifest = readFileSync(join(require.resolve('@pydantic/genai-prices'), '../../package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return { library, version: `genai-prices@${version}` };
}

function toRates(prices: GenaiPrices.ModelPrice, inputTokens: number): Rates {
  const rate = (field: PriceField): number | undefined => {
    const price = prices[field];
    if (price === undefined || typeof price === 'number') return price;
    return price.tiers.reduce((current, tier) => (inputTokens > tier.start ? tier.price : current), price.base);
  };
  return {
    input: rate('input_mtok') ?? 0,
    output: rate('output_mtok') ?? 0,
    ...defined('cacheRead', rate('cache_read_mtok')),
    ...defined('cacheWrite', rate('cache_write_mtok')),
    ...defined('cacheWriteHour', rate('cache_write_1h_mtok')),
    ...defined('reasoning', rate('output_reasoning_mtok')),
    ...defined('inputAudio', rate('input_audio_mtok')),
    ...defined('cacheReadAudio', rate('cache_audio_read_mtok')),
  };
}

/** Anthropic charges 1.25 times the input's price for what it keeps five minutes, and twice for an hour. */
const hourFactor = 2 / 1.25;

/** The rates that a `prices` entry of models.json states. `version` names the file's prices. */
export function toRateTable(override: PriceOverride, version: string, kind: string | undefined): RateTable {
  const { longContext } = override;
  return {
    version,
    ratesAt: (inputTokens) => {
      const long = longContext !== undefined && inputTokens > longContext.inputTokens ? longContext : {};
      const prices = { ...override, ...long };
      return {
        input: prices.inputPerMillionUsd ?? 0,
        output: prices.outputPerMillionUsd ?? 0,
        ...defined('cacheRead', prices.cacheReadPerMillionUsd),
        ...defined('cacheWrite', prices.cacheWritePerMillionUsd),
        ...(kind === 'anthropic' &&
          prices.cacheWritePerMillionUsd !== undefined && {
            cacheWriteHour: prices.cacheWritePerMillionUsd * hourFactor,
          }),
      };
    },
  };
}

/** The same table, so many times as dear. `version` names the prices that say so. */
export function scaleRates(table: RateTable, factor: number, version: string): RateTable {
  return {
    version: table.version === version ? version : `${table.version} with ${version}`,
    ratesAt(inputTokens) {
      const { input, output, ...others } = table.ratesAt(inputTokens);
      const scaled = Object.entries(others).map(([name, rate]) => [name, rate * factor] as const);
      return { input: input * factor, output: output * factor, ...Object.fromEntries(scaled) };
    },
  };
}

/**
 * Whether `model` is another version than the entry it matched: some entries match by prefix, so that a
 * claude-sonnet-5-9 would cost what claude-sonnet-5 does. Dates and suffixes of other kinds are the same model.
 */
function isOtherVersion(entry: string, model: string): boolean {
  return model.startsWith(entry) && /^[-.]\d{1,2}(?!\d)(?!-20\d{2}$)/.test(model.slice(entry.length));
}

function defined<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  // A computed key widens to string; it is K.
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: number };
}
