import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadFaultless, provider } from './temporary-config.ts';

const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
/** The JSON examples between a heading and the next one. */
const examplesUnder = (heading: string) => {
  const [section = ''] = (text.split(`## ${heading}\n`)[1] ?? '').split(/\n##/);
  return [...section.matchAll(/```json\n([^]*?)```/g)].map(([, json = '']): unknown => JSON.parse(json));
};
// Their fields are what the tests below look at.
const examples = examplesUnder('Further providers') as { id: string; kind: string }[];

describe('the providers that the documentation shows', () => {
  test('are those that people ask for', () => {
    expect(examples.map(({ id }) => id)).toEqual([
      'openrouter',
      'groq',
      'lm-studio',
      'vllm',
      'llama-cpp',
      'ollama-lab',
    ]);
  });

  test.each(examples.map((example) => [example.id, example] as const))(
    '%s is a provider beside the others',
    (id, example) => {
      const catalog = loadFaultless({ providers: { providers: [provider('openai'), example] } });
      const variable = `${id.toUpperCase().replaceAll('-', '_')}_API_KEY`;
      expect(catalog.findProvider(id)).toMatchObject({ ...example, apiKeyVariables: [variable] });
      const resolved = catalog.resolveModel(`${id}/some/model:latest`);
      expect(resolved).toMatchObject({ provider: { id }, model: 'some/model:latest' });
    },
  );

  test('stand beside each other in one file', () => {
    expect(loadFaultless({ providers: { providers: examples } }).providers).toHaveLength(examples.length);
  });
});

describe('the models that the documentation shows', () => {
  test('with prices of service tiers are a file without faults', () => {
    const [models] = examplesUnder('Service tiers');
    const call = { provider: 'openai', usage: { inputTokens: 1_000, outputTokens: 0 }, at: Date.UTC(2026, 10, 22) };
    const catalog = loadFaultless({ models });
    const cost = (model: string, serviceTier: string) => catalog.priceCall({ ...call, model, serviceTier }).costNanoUsd;
    expect(cost('gpt-5-mini', 'priority')).toBe(1_000 * 250 * 1.8);
    expect(cost('gpt-5-mini', 'flex')).toBe((1_000 * 250) / 2);
    expect(cost('gpt-6-sol', 'flex')).toBeNull();
  });

  test('with summed up reasoning are models as models.json takes them', () => {
    const models = examplesUnder('Reasoning that OpenAI sums up');
    const catalog = loadFaultless({ models: { checkedOn: '2026-11-22', models } });
    expect(catalog.findModel('openai', 'gpt-6.1-terra')?.quirks).toEqual({ reasoningSummary: 'auto' });
  });
});

describe('the parts of files that the documentation shows', () => {
  const shipped = (name: string): Record<string, unknown> =>
    JSON.parse(readFileSync(new URL(`../../../config/${name}.json`, import.meta.url), 'utf8'));
  const files = { providers: shipped('providers'), models: shipped('models'), routing: shipped('routing') };
  type Entry = { id: string };
  /** What an example says of an entry is added to it, an entry that is not there yet to the list; all else stays. */
  const addTo = (file: Record<string, unknown>, example: Record<string, unknown>) => {
    const merge = (list: Entry[], added: Entry[]) => [
      ...list.map((entry) => ({ ...entry, ...added.find(({ id }) => id === entry.id) })),
      ...added.filter(({ id }) => list.every((entry) => entry.id !== id)),
    ];
    const lists = ['providers', 'models'].filter((name) => name in example && name in file);
    const merged = lists.map((name) => [name, merge(file[name] as Entry[], example[name] as Entry[])]);
    return { ...file, ...example, ...Object.fromEntries(merged) };
  };

  test.each([
    ['Limits', 'providers'],
    ['Budgets', 'providers'],
    ['Service tiers', 'models'],
  ] as const)('are taken into the shipped ones: %s', (heading, name) => {
    const [example] = examplesUnder(heading) as [Record<string, unknown>];
    // A list that is shown shows entries, and is no list without any.
    expect(Object.values(example)).not.toContainEqual([]);
    expect(() => loadFaultless({ ...files, [name]: addTo(files[name], example) })).not.toThrow();
  });

  test('are routing.json as a whole, beside the second Ollama', () => {
    const [routing] = examplesUnder('`config/routing.json`');
    const providers = addTo(files.providers, { providers: examples });
    expect(() => loadFaultless({ ...files, providers, routing })).not.toThrow();
  });
});
