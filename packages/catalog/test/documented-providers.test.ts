import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadFaultless, provider } from './temporary-config.ts';

const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
/** The JSON examples between a heading and the next one of the same rank or above. */
const examplesUnder = (heading: string) => {
  const [section = ''] = (text.split(`### ${heading}\n`)[1] ?? '').split(/\n##/);
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
