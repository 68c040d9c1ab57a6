import { describe, expect, test } from 'vitest';
import { loadCatalog, providerKinds } from '../src/index.ts';

const { catalog, faults } = loadCatalog({ env: {} });

describe('the config folder that ships', () => {
  test('has no fault', () => {
    expect(faults).toEqual([]);
  });

  test('has the five providers, each with a default model that the catalog knows', () => {
    expect(catalog.providers.map(({ id }) => id)).toEqual(['openai', 'anthropic', 'google', 'mistral', 'ollama']);
    const { providers } = catalog;
    expect(providers.filter(({ kind }) => !providerKinds.some((known) => known === kind))).toEqual([]);
    expect(providers.filter(({ id, defaultModel = '' }) => !catalog.findModel(id, defaultModel))).toEqual([]);
    expect(catalog.findProvider('google')?.apiKeyVariables).toEqual(['GOOGLE_API_KEY', 'GEMINI_API_KEY']);
    expect(catalog.findProvider('ollama')).toMatchObject({
      baseUrl: 'http://127.0.0.1:11434',
      concurrency: 1,
      keyRequired: false,
      firstByteTimeoutMs: 300_000,
    });
    expect(catalog.findProvider('ollama')?.requestsPerMinute).toBeUndefined();
  });

  test('knows several models of each provider, listed by provider and id', () => {
    const models = catalog.listModels();
    const names = models.map(({ provider, id }) => `${provider}\0${id}`);
    expect(names).toEqual(names.toSorted());
    const counts = catalog.providers.map(({ id }) => catalog.listModels({ provider: id }).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(6);
  });

  test('knows the price of every model that auto may choose and of every default model', () => {
    expect(catalog.routing.autoCandidates.flatMap((name) => catalog.resolveModel(name).warnings)).toEqual([]);
    expect(catalog.providers.filter(({ id, defaultModel = '' }) => !catalog.pricesOf(id, defaultModel))).toEqual([]);
  });

  test('names a reasoning style wherever it names reasoning efforts', () => {
    const reasoning = catalog.listModels().filter(({ quirks }) => quirks?.reasoningEfforts !== undefined);
    expect(reasoning.length).toBeGreaterThan(20);
    expect(reasoning.filter(({ quirks }) => quirks?.reasoningStyle === undefined)).toEqual([]);
  });

  // Anthropic's older models take them, and think only when they are told to.
  test.each(['claude-haiku-4-5', 'claude-sonnet-4-5', 'claude-sonnet-4-6'])(
    'says that %s is sampled as asked unless it is asked to reason',
    (model) => {
      expect(catalog.findModel('anthropic', model)?.quirks).toMatchObject({
        apiVersion: '2023-06-01',
        onlyWithoutReasoning: ['temperature', 'topP', 'topK'],
        reasoningByDefault: false,
      });
    },
  );

  test('is searched by words, capability and provider', () => {
    expect(catalog.listModels({ search: 'claude haiku' }).map(({ id }) => id)).toEqual([
      'claude-haiku-4-5',
      'claude-haiku-5-5',
    ]);
    const local = catalog.listModels({ provider: 'ollama', capability: 'reasoning' });
    expect(local.map(({ id }) => id)).toContain('gpt-oss');
    expect(local.map(({ id }) => id)).not.toContain('llama3.2');
  });
});
