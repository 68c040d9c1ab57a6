import { expect, test } from 'vitest';
import { loadCatalog } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

const files = {
  providers: {
    providers: [provider('openai'), provider('home', { kind: 'ollama' }), provider('lab', { kind: 'ollama' })],
  },
  models: {
    checkedOn: '2026-11-22',
    models: [
      { provider: 'openai', id: 'gpt' },
      { provider: 'openai', id: 'mini' },
    ],
  },
};
const load = (routing: object) =>
  loadCatalog({ configDir: writeConfig({ ...files, routing: { auto: { candidates: [] }, ...routing } }), env: {} });
const faultsOf = (routing: object) => load(routing).faults.map(({ path, expected }) => `${path}: ${expected}`);

test('a file of an earlier release, with auto alone, is a whole one', () => {
  expect(loadFaultless(files).routing).toMatchObject({ tiers: {}, rules: {}, fallbacks: {}, pools: {} });
});

test('tiers, rules, fallbacks and pools may name each other', () => {
  const { catalog, faults } = load({
    tiers: { small: ['openai/mini', 'llama'] },
    rules: {
      review: { tier: 'small', settings: { temperature: 0 } },
      draft: { candidates: ['llama'], prefer: 'fastest' },
    },
    fallbacks: { 'openai/gpt': ['llama'], '*': { models: ['openai/mini'], onContentFiltered: true } },
    pools: { llama: ['home/llama3.3', 'lab/llama3.3'] },
  });
  expect(faults).toEqual([]);
  expect(catalog.routing).toMatchObject({
    rules: { review: { tier: 'small', prefer: 'balanced' } },
    fallbacks: {
      'openai/gpt': { models: ['llama'], onContentFiltered: false },
      '*': { models: ['openai/mini'], onContentFiltered: true },
    },
  });
});

test('names of nothing and chains back to themselves are faults, each with its place', () => {
  expect(
    faultsOf({
      tiers: { large: ['openai/none'] },
      rules: { review: { candidates: ['gone'] } },
      fallbacks: { 'openai/gpt': ['openai/mini', 'openai/gpt'], 'openai/none': ['openai/mini'] },
      pools: { llama: ['home/any', 'openai/none'] },
    }),
  ).toEqual([
    'tiers.large[0]: a model of models.json, as provider/model-id, or a pool',
    'rules.review.candidates[0]: a model of models.json, as provider/model-id, or a pool',
    'fallbacks.openai/gpt[1]: another model than the one that failed',
    'fallbacks.openai/none: a model of models.json, as provider/model-id, a pool, or *',
    'pools.llama[1]: a model of models.json, as provider/model-id',
  ]);
});

test('what cannot be meant is a fault', () => {
  expect(
    faultsOf({
      rules: { cheapest: { tier: 'small' }, both: { tier: 'small', candidates: ['openai/gpt'] } },
      pools: { one: ['home/a'], auto: ['home/a', 'lab/a'] },
      fallbacks: { 'openai/gpt': 'openai/mini' },
    }),
  ).toEqual([
    'rules.cheapest: another name: this one has a meaning already',
    'rules.both: candidates or tier, not both',
    'fallbacks.openai/gpt: a list of models, or {"models": […], "onContentFiltered": true}',
    'pools.one: at least two models',
    'pools.auto: another name: auto has a meaning already',
  ]);
});

test('a cooldown is described in full, in part, or switched off', () => {
  const cooldownOf = (cooldown?: unknown) =>
    loadFaultless({ providers: { providers: [provider('openai', cooldown === undefined ? {} : { cooldown })] } })
      .providers[0]?.cooldown;
  const whole = { failureShare: 0.5, minimumFailures: 5, windowSeconds: 60, firstSeconds: 5, maxSeconds: 300 };
  expect(cooldownOf()).toEqual(whole);
  expect(cooldownOf({ firstSeconds: 1 })).toEqual({ ...whole, firstSeconds: 1 });
  expect(cooldownOf(false)).toBe(false);
});
