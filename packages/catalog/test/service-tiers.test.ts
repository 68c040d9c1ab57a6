import type { Usage } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

const at = Date.UTC(2026, 10, 22);
const usage: Usage = { inputTokens: 1_000, cacheReadTokens: 400, outputTokens: 100 };

describe('the price of the service tier that answered', () => {
  const { catalog } = loadCatalog({ env: {}, now: () => at });
  const price = (name: string, serviceTier?: string, more: { answeredBy?: string } = {}) => {
    const [owner = '', model = ''] = name.split('/');
    return catalog.priceCall({ provider: owner, model, usage, at, serviceTier, ...more });
  };
  // GPT-5 mini: 0.25 in, 0.025 cached, 2 out
  const gpt5Mini = 600 * 250 + 400 * 25 + 100 * 2_000;

  test.each([undefined, 'default', 'auto', 'standard', 'on_demand', 'AUTO'])('%s is the ordinary one', (tier) => {
    expect(price('openai/gpt-5-mini', tier)).toEqual({
      costNanoUsd: gpt5Mini,
      priceVersion: 'genai-prices@0.1.8',
    });
  });

  test('flex and batch cost half, whichever table the price is from', () => {
    expect(price('openai/gpt-5-mini', 'flex')).toEqual({
      costNanoUsd: gpt5Mini / 2,
      priceVersion: expect.stringMatching(/^genai-prices@0\.1\.8 with models\.json@\S+ \(flex\)$/),
    });
    // GPT-6.2 Sol, in models.json: 2 in, 0.1 cached, 10 out
    expect(price('openai/gpt-6.2-sol', 'batch')).toEqual({
      costNanoUsd: (600 * 2_000 + 400 * 100 + 100 * 10_000) / 2,
      priceVersion: expect.stringMatching(/^models\.json@2026-11-22\+[0-9a-f]{8} \(batch\)$/),
    });
    expect(price('anthropic/claude-haiku-4-5', 'batch').costNanoUsd).toBe((600 * 1_000 + 400 * 100 + 100 * 5_000) / 2);
  });

  test.each([
    ['openai/gpt-5-mini', { cachedForAnHour: false }],
    ['anthropic/claude-haiku-4-5', { cachedForAnHour: false }],
    ['anthropic/claude-haiku-4-5', { cachedForAnHour: true }],
    ['google/gemini-2.5-flash', { cachedForAnHour: false }],
    ['mistral/mistral-large-2512', { cachedForAnHour: false }],
  ])('a batch costs half of %s, to the nano-dollar, with what was read from and kept in a cache', (name, more) => {
    const [owner = '', model = ''] = name.split('/');
    const odd: Usage = { inputTokens: 1_001, cacheReadTokens: 333, cacheWriteTokens: 77, outputTokens: 101 };
    const ask = { provider: owner, model, usage: odd, at, ...more };
    const ordinary = catalog.priceCall(ask).costNanoUsd ?? 0;
    expect(ordinary).toBeGreaterThan(0);
    expect(catalog.priceCall({ ...ask, serviceTier: 'batch' }).costNanoUsd).toBe(Math.round(ordinary / 2));
  });

  test('a faster tier costs what it costs that model, exact to the nano-dollar', () => {
    expect(price('openai/gpt-5-mini', 'priority').costNanoUsd).toBe(gpt5Mini * 1.8);
    expect(price('openai/gpt-5', 'priority', { answeredBy: 'gpt-5-2025-08-07' }).costNanoUsd).toBe(
      2 * (600 * 1_250 + 400 * 125 + 100 * 10_000),
    );
    expect(price('openai/gpt-5', 'priority', { answeredBy: 'gpt-5-mini-2025-08-07' }).costNanoUsd).toBe(gpt5Mini * 1.8);
  });

  test('is unknown, and said to be, where nobody knows it: no wrong number in its place', () => {
    expect(price('anthropic/claude-opus-5-5', 'priority')).toEqual({
      costNanoUsd: null,
      priceVersion: 'genai-prices@0.1.8 (priority)',
      warning: {
        code: 'unknown_price',
        message: 'The price of anthropic/claude-opus-5-5 in the service tier "priority" is unknown.',
      },
    });
    expect(price('openai/gpt-6-sol', 'ultrafast').costNanoUsd).toBeNull();
    expect(JSON.stringify(price('openai/gpt-6-sol', 'a\nprompt'))).not.toContain('prompt');
  });

  test('nothing is said of the tier where the model has no price at all, or costs nothing', () => {
    expect(price('openai/gpt-99', 'flex')).toEqual({ costNanoUsd: null, priceVersion: 'genai-prices@0.1.8' });
    expect(price('ollama/llama3.2', 'flex')).toEqual({ costNanoUsd: 0, priceVersion: 'local' });
  });
});

describe('serviceTiers in models.json', () => {
  const prices = { inputPerMillionUsd: 1, outputPerMillionUsd: 2, cacheReadPerMillionUsd: 0.5 };
  const load = () =>
    loadFaultless({
      providers: { providers: [provider('openai'), provider('second-account')] },
      models: {
        checkedOn: '2026-11-22',
        serviceTiers: { openai: { flex: 0.5, slow: 0.1 }, 'second-account': { flex: 0.25, slow: null } },
        models: [
          { provider: 'openai', id: 'a', prices },
          { provider: 'second-account', id: 'a', prices },
          {
            provider: 'openai',
            id: 'b',
            prices: { ...prices, longContext: { ...prices, inputTokens: 999, inputPerMillionUsd: 4 } },
            serviceTiers: { flex: { inputPerMillionUsd: 10, outputPerMillionUsd: 20 }, slow: null, odd: 1 / 3 },
          },
        ],
      },
    });
  const cost = (name: string, serviceTier: string, given = usage) => {
    const [owner = '', model = ''] = name.split('/');
    return load().priceCall({ provider: owner, model, usage: given, at, serviceTier }).costNanoUsd;
  };
  const ordinary = 600 * 1_000 + 400 * 500 + 100 * 2_000;

  test('go by the model, then the provider, then its kind', () => {
    expect(cost('openai/a', 'flex')).toBe(ordinary / 2);
    expect(cost('second-account/a', 'flex')).toBe(ordinary / 4);
    expect(cost('openai/b', 'flex')).toBe(1_000 * 10_000 + 100 * 20_000);
  });

  test('say with null that a price is unknown, whatever stands further out', () => {
    expect(cost('openai/a', 'slow')).toBe(ordinary / 10);
    expect(cost('second-account/a', 'slow')).toBeNull();
    expect(cost('openai/b', 'slow')).toBeNull();
  });

  test('a factor holds for long requests too, and the cost is a whole number', () => {
    expect(cost('openai/b', 'odd', { inputTokens: 999, outputTokens: 0 })).toBe(333_000);
    expect(cost('openai/b', 'odd', { inputTokens: 1_000, outputTokens: 0 })).toBe(1_333_333);
  });

  test('models do not show them', () => {
    expect(load().findModel('openai', 'b')).not.toHaveProperty('serviceTiers');
  });

  test.each([
    [{ openai: { flex: 0 } }, 'serviceTiers.openai.flex', /a number above 0/],
    [{ openai: { flex: -1 } }, 'serviceTiers.openai.flex', /a number above 0/],
    [{ openai: { flex: 'half' } }, 'serviceTiers.openai.flex', /a number above 0/],
    [{ openai: { flex: { inputPerMillionUsd: 1 } } }, 'serviceTiers.openai.flex', /a number above 0/],
    [{ openai: { Flex: 1 } }, 'serviceTiers.openai.Flex', /lower case/],
    [{ opnai: { flex: 1 } }, 'serviceTiers.opnai', /a provider of providers.json \(openai\), or a kind/],
  ])('are checked at start: %j', (serviceTiers, path, expected) => {
    const configDir = writeConfig({ models: { checkedOn: '2026-11-22', serviceTiers, models: [] } });
    const { faults } = loadCatalog({ configDir, env: {} });
    expect(faults).toContainEqual(expect.objectContaining({ path, expected: expect.stringMatching(expected) }));
  });
});
