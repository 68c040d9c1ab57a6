import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadFaultless, provider } from './temporary-config.ts';

const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const [, section = ''] = text.split('### Further providers');
const examples = [...section.matchAll(/```json\n([^]*?)```/g)].map(
  ([, json = '']) => JSON.parse(json) as { id: string; kind: string },
);

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
