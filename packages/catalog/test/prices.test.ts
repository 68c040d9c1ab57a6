import type { Usage } from '@aimm/contracts';
import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../src/index.ts';
import { loadFaultless, provider } from './temporary-config.ts';

const at = Date.UTC(2026, 10, 22);
const { catalog } = loadCatalog({ env: {}, now: () => at });
const dollar = 1_000_000_000;

function cost(
  name: string,
  usage: Usage,
  more: { answeredBy?: string; at?: number; cachedForAnHour?: boolean } = {},
): number | null {
  const [owner = '', model = ''] = name.split('/');
  return catalog.priceCall({ provider: owner, model, usage, at, ...more }).costNanoUsd;
}

describe('what a call cost, in nano-dollars', () => {
  test('input and output at the list price', () => {
    // 0.25 and 2 dollars a million
    expect(cost('openai/gpt-5-mini', { inputTokens: 1000, outputTokens: 500 })).toBe(250_000 + 1_000_000);
    expect(catalog.priceCall({ provider: 'openai', model: 'gpt-5-mini', usage: { inputTokens: 1 }, at })).toEqual({
      costNanoUsd: 250,
      priceVersion: 'genai-prices@0.1.8',
    });
  });

  test('cached input at its own rate, as a part of the input', () => {
    // Claude Opus 5.5: 4 in, 20 out, 0.2 cache read, 5 cache write
    const usage = { inputTokens: 10_000, cacheReadTokens: 6_000, cacheWriteTokens: 1_000, outputTokens: 100 };
    expect(cost('anthropic/claude-opus-5-5', usage)).toBe(3_000 * 4_000 + 6_000 * 200 + 1_000 * 5_000 + 100 * 20_000);
  });

  test('what is written to the cache for an hour at that rate, where the vendor has one', () => {
    const usage = { inputTokens: 1_000, cacheWriteTokens: 1_000, outputTokens: 0 };
    // Twice the input's price, from models.json and from the price data.
    expect(cost('anthropic/claude-opus-5-5', usage, { cachedForAnHour: true })).toBe(1_000 * 8_000);
    expect(cost('anthropic/claude-haiku-4-5', usage, { cachedForAnHour: true })).toBe(1_000 * 2_000);
    expect(cost('anthropic/claude-haiku-4-5', usage)).toBe(1_000 * 1_250);
    expect(cost('openai/gpt-6.2-sol', usage, { cachedForAnHour: true })).toBe(cost('openai/gpt-6.2-sol', usage));
  });

  test('cached input as plain input where the model has no rate for it', () => {
    expect(cost('openai/gpt-5.2-pro', { inputTokens: 10, cacheReadTokens: 5, outputTokens: 0 })).toBe(10 * 21_000);
  });

  test('reasoning as the part of the output that it is', () => {
    expect(cost('openai/o3', { inputTokens: 0, outputTokens: 100, reasoningTokens: 90 })).toBe(100 * 8_000);
  });

  test('a long request wholly at the long rates', () => {
    // GPT-6 Sol: 2 in and 10 out, 4 and 15 above 272,000
    expect(cost('openai/gpt-6-sol', { inputTokens: 272_000, outputTokens: 1_000 })).toBe(0.554 * dollar);
    expect(cost('openai/gpt-6-sol', { inputTokens: 272_001, outputTokens: 1_000 })).toBe(1_088_004_000 + 15_000_000);
  });

  test('at the price of that day', () => {
    const usage = { inputTokens: 1_000_000, outputTokens: 0 };
    expect(cost('google/gemini-3.8-flash', usage)).toBe(0.75 * dollar);
    expect(cost('google/gemini-3.8-flash', usage, { at: Date.UTC(2027, 0, 2) })).toBe(1.5 * dollar);
  });

  test('by the model that answered, where its price is known', () => {
    const usage = { inputTokens: 1_000_000, outputTokens: 0 };
    expect(cost('google/gemini-2.5-pro', usage, { answeredBy: 'gemini-3.8-flash' })).toBe(0.75 * dollar);
    expect(cost('openai/gpt-5-mini', usage, { answeredBy: 'something-else' })).toBe(0.25 * dollar);
  });

  test('rounded half up, once', () => {
    const price = (inputPerMillionUsd: number, outputPerMillionUsd: number, usage: Usage) =>
      loadFaultless({
        models: {
          checkedOn: '2026-11-22',
          models: [{ provider: 'openai', id: 'm', prices: { inputPerMillionUsd, outputPerMillionUsd } }],
        },
      }).priceCall({ provider: 'openai', model: 'm', usage, at }).costNanoUsd;
    // 37.5 nano-dollars a token
    expect(price(0.0375, 0, { inputTokens: 1 })).toBe(38);
    expect(price(0.0375, 0, { inputTokens: 3 })).toBe(113);
    expect(price(0.0375, 0.0375, { inputTokens: 1, outputTokens: 1 })).toBe(75);
    expect(price(0.000_4, 0, { inputTokens: 1 })).toBe(0);
  });

  test('nothing on the own machine, whatever was counted', () => {
    const call = { provider: 'ollama', model: 'anything', at };
    const free = { costNanoUsd: 0, priceVersion: 'local' };
    expect(catalog.priceCall({ ...call, usage: { inputTokens: 5, outputTokens: 5 } })).toEqual(free);
    expect(catalog.priceCall({ ...call, usage: {} })).toEqual(free);
  });

  test('unknown for an unknown model, an unknown provider and unknown counts', () => {
    const usage = { inputTokens: 1, outputTokens: 1 };
    expect(catalog.priceCall({ provider: 'openai', model: 'gpt-9-nova', usage, at })).toEqual({
      costNanoUsd: null,
      priceVersion: 'genai-prices@0.1.8',
    });
    expect(cost('nobody/gpt-5-mini', usage)).toBeNull();
    expect(cost('openai/gpt-5-mini', {})).toBeNull();
    expect(cost('openai/gpt-5-mini', { cacheReadTokens: 4 })).toBeNull();
  });

  test('what was heard has its own price, read from the cache too, and none where the model names none', () => {
    const usage = {
      inputTokens: 1_000,
      audioTokens: 700,
      cacheReadTokens: 300,
      audioCacheReadTokens: 200,
      outputTokens: 0,
    };
    // Of a thousand: 500 heard and 200 read anew, 200 heard and 100 read from the cache.
    expect(cost('google/gemini-2.5-flash', usage)).toBe(500 * 1_000 + 200 * 300 + 200 * 100 + 100 * 30);
    expect(cost('openai/gpt-5-mini', usage)).toBe(700 * 250 + 300 * 25);
    expect(cost('google/gemini-2.5-flash', { inputTokens: 10, audioTokens: 500 })).toBe(10 * 1_000);
  });

  test('counts that contradict each other never bill a token twice', () => {
    expect(cost('openai/gpt-5-mini', { inputTokens: 10, cacheReadTokens: 500, outputTokens: 0 })).toBe(10 * 25);
    expect(cost('openai/gpt-5-mini', { outputTokens: 1, reasoningTokens: 50 })).toBe(2_000);
  });
});

describe('models that only resemble a priced one have no price', () => {
  test('another version that the price table matches by prefix', () => {
    expect(cost('anthropic/claude-sonnet-5-9', { inputTokens: 1, outputTokens: 1 })).toBeNull();
    expect(cost('anthropic/claude-sonnet-5-20260630', { inputTokens: 1, outputTokens: 0 })).toBe(2_000);
  });

  test("a server of one's own that is called like a vendor", () => {
    const own = loadFaultless({
      providers: {
        providers: [
          provider('my-openai', { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:8000/v1' }),
          provider('groq', { kind: 'openai-compatible', baseUrl: 'https://api.groq.com/openai/v1' }),
          provider('second-account'),
        ],
      },
    });
    const price = (id: string, model: string) =>
      own.priceCall({ provider: id, model, usage: { inputTokens: 1_000_000, outputTokens: 0 }, at }).costNanoUsd;
    expect(price('my-openai', 'gpt-5-mini')).toBeNull();
    expect(price('groq', 'llama-3.3-70b-versatile')).toBe(0.59 * dollar);
    expect(price('second-account', 'gpt-5-mini')).toBe(0.25 * dollar);
  });
});

describe('prices in models.json', () => {
  const own = () =>
    loadFaultless({
      models: {
        checkedOn: '2026-11-22',
        models: [
          {
            provider: 'openai',
            id: 'gpt-5',
            prices: {
              inputPerMillionUsd: 1,
              outputPerMillionUsd: 2,
              cacheReadPerMillionUsd: 0.5,
              longContext: { inputTokens: 1000, inputPerMillionUsd: 3, outputPerMillionUsd: 4 },
            },
          },
          { provider: 'openai', id: 'gpt-5-mini', prices: null },
        ],
      },
    });
  const price = (model: string, usage: Usage, answeredBy?: string) =>
    own().priceCall({ provider: 'openai', model, answeredBy, usage, at });

  test('have a name in the ledger that changes with each of them, and with nothing else', () => {
    const entry = (id: string, inputPerMillionUsd?: number) => ({
      provider: 'openai',
      id,
      ...(inputPerMillionUsd !== undefined && { prices: { inputPerMillionUsd, outputPerMillionUsd: 2 } }),
    });
    const nameOf = (models: object[], serviceTiers?: object, model = 'a', serviceTier?: string) => {
      const priced = loadFaultless({ models: { checkedOn: '2026-11-22', models, serviceTiers } });
      return priced.priceCall({ provider: 'openai', model, usage: {}, at, serviceTier }).priceVersion;
    };
    const name = nameOf([entry('a', 1), entry('b', 1)]);
    expect(nameOf([entry('b', 1), { ...entry('a', 1), contextWindow: 1_000 }, entry('c')])).toBe(name);
    expect(nameOf([entry('a', 1), entry('b', 1.5)])).not.toBe(name);
    expect(nameOf([entry('a', 1), entry('b', 1)], { openai: { flex: 0.5 } })).not.toBe(name);
    const flex = (factor: number) => nameOf([], { openai: { flex: factor } }, 'gpt-5-mini', 'flex');
    expect(flex(0.5)).toMatch(/^genai-prices@\S+ with models\.json@2026-11-22\+[0-9a-f]{8} \(flex\)$/);
    expect(flex(0.5)).not.toBe(flex(0.6));
  });

  test('stand in place of the price table, for snapshots too', () => {
    const priceVersion = expect.stringMatching(/^models\.json@2026-11-22\+[0-9a-f]{8}$/);
    const expected = { costNanoUsd: 50_000 + 25_000 + 20_000, priceVersion };
    const usage = { inputTokens: 100, cacheReadTokens: 50, outputTokens: 10 };
    expect(price('gpt-5', usage)).toEqual(expected);
    expect(price('gpt-5', usage, 'gpt-5-2025-08-07')).toEqual(expected);
    expect(own().pricesOf('openai', 'gpt-5')).toEqual({
      inputPerMillionUsd: 1,
      outputPerMillionUsd: 2,
      cacheReadPerMillionUsd: 0.5,
    });
  });

  test('have a long-context rate', () => {
    expect(price('gpt-5', { inputTokens: 1000, outputTokens: 0 }).costNanoUsd).toBe(1_000_000);
    expect(price('gpt-5', { inputTokens: 1001, outputTokens: 1 }).costNanoUsd).toBe(3_003_000 + 4_000);
  });

  test('say with null that a price is unknown, until another model answered', () => {
    const usage = { inputTokens: 1_000_000, outputTokens: 0 };
    expect(price('gpt-5-mini', usage).costNanoUsd).toBeNull();
    expect(own().pricesOf('openai', 'gpt-5-mini')).toBeUndefined();
    expect(price('gpt-5-mini', usage, 'gpt-4o-mini').costNanoUsd).toBe(0.15 * dollar);
  });
});

test('models show the prices of the day', () => {
  const later = loadCatalog({ env: {}, now: () => Date.UTC(2027, 0, 2) }).catalog;
  expect(catalog.findModel('google', 'gemini-3.8-flash')?.prices).toEqual({
    inputPerMillionUsd: 0.75,
    outputPerMillionUsd: 3.75,
    cacheReadPerMillionUsd: 0.075,
  });
  expect(later.findModel('google', 'gemini-3.8-flash')?.prices?.inputPerMillionUsd).toBe(1.5);
});

describe('for any counts', () => {
  const models = catalog.listModels().filter((model) => model.prices !== undefined);
  const tokens = fc.nat({ max: 2_000_000 });

  test('a cost is a whole number, never negative, and grows with input and output', () => {
    const call = fc.record({ model: fc.constantFrom(...models), input: tokens, output: tokens, cached: tokens });
    fc.assert(
      fc.property(call, tokens, ({ model, input, output, cached }, more) => {
        const price = (inputTokens: number, outputTokens: number) =>
          cost(`${model.provider}/${model.id}`, {
            inputTokens,
            outputTokens,
            cacheReadTokens: Math.min(cached, input),
          });
        const base = price(input, output) ?? Number.NaN;
        expect(Number.isSafeInteger(base) && base >= 0).toBe(true);
        expect(price(input + more, output)).toBeGreaterThanOrEqual(base);
        expect(price(input, output + more)).toBeGreaterThanOrEqual(base);
      }),
      { seed: 1 },
    );
  });

  test('a cost is what the price library itself computes, to the nano-dollar', () => {
    const known = models.filter((model) => {
      const price = { provider: model.provider, model: model.id, usage: { inputTokens: 1 }, at };
      return catalog.priceCall(price).priceVersion.startsWith('genai-prices@');
    });
    expect(known.length).toBeGreaterThan(30);
    fc.assert(
      fc.property(fc.constantFrom(...known), tokens, tokens, tokens, (model, input, output, cached) => {
        const cacheRead = Math.min(cached, input);
        const usage = { inputTokens: input, outputTokens: output, cacheReadTokens: cacheRead };
        const theirs = calcPrice(
          { input_tokens: input, output_tokens: output, cache_read_tokens: cacheRead },
          model.id,
          { providerId: model.provider, timestamp: new Date(at) },
        );
        const ours = cost(`${model.provider}/${model.id}`, usage) ?? Number.NaN;
        expect(Math.abs(ours - (theirs?.total_price ?? Number.NaN) * dollar)).toBeLessThanOrEqual(0.500_01);
      }),
      { seed: 1 },
    );
  });
});
