import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findUnknownProviders, loadCatalog } from '../src/index.ts';
import { loadFaultless, provider, writeConfig } from './temporary-config.ts';

function faultsOf(files: Parameters<typeof writeConfig>[0], env: Record<string, string> = {}) {
  const configDir = writeConfig(files);
  return loadCatalog({ configDir, env }).faults.map((fault) => ({
    ...fault,
    source: fault.source === 'environment' ? fault.source : fault.source.slice(configDir.length + 1),
  }));
}

describe('mistakes are told all at once, with where they stand and what is expected there', () => {
  test('every file, the environment and what lies between files', () => {
    const faults = faultsOf(
      {
        providers: {
          providers: [
            provider('openai'),
            provider('openai'),
            provider('third', { kind: 'telepathy', concurrency: 0, colour: 'red' }),
            { kind: 'openai' },
          ],
        },
        models: {
          checkedOn: 'yesterday',
          models: [
            { provider: 'nobody', id: 'm' },
            { provider: 'openai', id: 'm', quirks: { unsupported: ['temprature'] }, prices: { inputPerMillionUsd: 1 } },
            { provider: 'openai', id: 'm', capabilities: ['juggling'] },
          ],
        },
        routing: { auto: { candidates: ['openai/m', 'openai/gone'] } },
      },
      { OPENAI_RPM: 'abc' },
    );
    const places = faults.map(({ source, path }) => `${source}: ${path}`);
    expect(places.toSorted()).toEqual([
      'models.json: checkedOn',
      'models.json: models[0].provider',
      'models.json: models[1].prices.outputPerMillionUsd',
      'models.json: models[1].quirks.unsupported[0]',
      'models.json: models[2].capabilities[0]',
      'models.json: models[2].id',
      'providers.json: providers[1].id',
      'providers.json: providers[2].colour',
      'providers.json: providers[2].concurrency',
      'providers.json: providers[2].kind',
      'providers.json: providers[3].id',
      'routing.json: auto.candidates[1]',
    ]);
    const expected = Object.fromEntries(faults.map((fault) => [fault.path, fault.expected]));
    expect(expected['providers[2].concurrency']).toBe('a whole number of at least 1');
    expect(expected['providers[2].kind']).toMatch(/^one of openai, anthropic, google/);
    expect(expected['providers[3].id']).toBe('a text');
    expect(expected['models[0].provider']).toBe('a provider of providers.json (openai, third)');
  });

  test('every variable with a wrong value', () => {
    const env = { OPENAI_RPM: 'abc', OPENAI_TPM: '0', OPENAI_CONCURRENCY: '1.5', OPENAI_BASE_URL: 'ftp://example.com' };
    expect(faultsOf({}, env)).toEqual([
      { source: 'environment', path: 'OPENAI_BASE_URL', expected: expect.stringContaining('http:// or https://') },
      { source: 'environment', path: 'OPENAI_CONCURRENCY', expected: 'a whole number of at least 1' },
      { source: 'environment', path: 'OPENAI_RPM', expected: 'a whole number of at least 1' },
      { source: 'environment', path: 'OPENAI_TPM', expected: 'a whole number of at least 1' },
    ]);
  });

  test.each([
    ['{\n  "providers": [\n    { "id": "a" "kind": "openai" }\n  ]\n}', 'line 3, column 17', 'a comma'],
    ['{ "providers": [ 1, ] }', 'line 1, column 21', 'a value (no comma stands after the last one)'],
    ['{ "providers": []', 'line 1, column 18', 'a closing }'],
    ['// mine\n{ "providers": [] }', 'line 1, column 1', 'no comment: JSON has none'],
    ['', 'line 1, column 1', 'a value (no comma stands after the last one)'],
  ])('broken JSON %j by line and column', (text, path, expected) => {
    expect(faultsOf({ providers: text })).toEqual([{ source: 'providers.json', path, expected }]);
  });

  test('files that are missing', () => {
    const expected = 'a readable file (there is none)';
    expect(faultsOf({ models: undefined, routing: undefined })).toEqual([
      { source: 'models.json', path: '(file)', expected },
      { source: 'routing.json', path: '(file)', expected },
    ]);
  });

  test.each(['compare', 'persist-usage', 'persist-turn', 'persist-batch', 'openai-checks'])(
    'a provider called %s, as a queue has that name',
    (id) => {
      expect(faultsOf({ providers: { providers: [provider(id)] } })).toMatchObject([{ path: 'providers[0].id' }]);
    },
  );

  test('an OpenAI-compatible server without an address, unless the environment has it', () => {
    const providers = { providers: [provider('my-server', { kind: 'openai-compatible' })] };
    expect(faultsOf({ providers })).toEqual([
      {
        source: 'providers.json',
        path: 'providers[0].baseUrl',
        expected: "the server's address, here or in MY_SERVER_BASE_URL",
      },
    ]);
    expect(faultsOf({ providers }, { MY_SERVER_BASE_URL: 'http://localhost:8000/v1' })).toEqual([]);
  });

  test('settings of Ollama at another kind, and times that it does not know', () => {
    const wrong = [
      provider('a', { keepAlive: '30m' }),
      provider('b', { contextLength: 8192 }),
      provider('c', { kind: 'ollama', keepAlive: 'for ever' }),
    ];
    expect(faultsOf({ providers: { providers: wrong } })).toMatchObject([
      { path: 'providers[2].keepAlive', expected: expect.stringContaining('"30m"') },
    ]);
    expect(faultsOf({ providers: { providers: wrong.slice(0, 2) } })).toMatchObject([
      { path: 'providers[0].keepAlive', expected: expect.stringContaining('ollama') },
      { path: 'providers[1].contextLength', expected: expect.stringContaining('ollama') },
    ]);
  });

  test('an address with a password in it, which must never be shown', () => {
    expect(faultsOf({}, { OPENAI_BASE_URL: 'https://me:secret@example.com' })).toHaveLength(1);
    expect(JSON.stringify(faultsOf({}, { OPENAI_BASE_URL: 'https://me:secret@example.com' }))).not.toContain('secret');
  });
});

test('the environment overrides the file, dashes in ids becoming underscores', () => {
  const catalog = loadFaultless(
    {
      providers: { providers: [provider('my-openai', { concurrency: 2, requestsPerMinute: 10, tokensPerMinute: 5 })] },
    },
    {
      env: {
        MY_OPENAI_CONCURRENCY: '7',
        MY_OPENAI_RPM: ' 20 ',
        MY_OPENAI_TPM: '',
        MY_OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
      },
    },
  );
  expect(catalog.findProvider('my-openai')).toMatchObject({
    concurrency: 7,
    requestsPerMinute: 20,
    tokensPerMinute: 5,
    baseUrl: 'http://127.0.0.1:9/v1',
    baseUrlVariable: 'MY_OPENAI_BASE_URL',
    apiKeyVariables: ['MY_OPENAI_API_KEY'],
    keyRequired: true,
  });
});

test('id and kind are enough for a provider', () => {
  const catalog = loadFaultless({ providers: { providers: [{ id: 'gpu-box', kind: 'ollama' }] } });
  expect(catalog.findProvider('gpu-box')).toEqual({
    id: 'gpu-box',
    kind: 'ollama',
    name: 'gpu-box',
    apiKeyVariables: ['GPU_BOX_API_KEY'],
    baseUrlVariable: 'GPU_BOX_BASE_URL',
    keyRequired: false,
    concurrency: 4,
    cooldown: { failureShare: 0.5, minimumFailures: 5, windowSeconds: 60, firstSeconds: 5, maxSeconds: 300 },
    attempts: 3,
    firstByteTimeoutMs: 120_000,
    idleTimeoutMs: 60_000,
    timeoutMs: 600_000,
  });
  expect(catalog.findProvider('nobody')).toBeUndefined();
});

test('a time-out beyond what a timer can count is a fault, and not one of a millisecond', () => {
  const times = (ms: number) => ({ firstByteTimeoutMs: ms, idleTimeoutMs: ms, timeoutMs: ms });
  const longest = 2 ** 31 - 1;
  const faults = faultsOf({ providers: { providers: [provider('openai', times(longest + 1))] } });
  const expected = 'at most 2147483647 (24 days)';
  expect(faults).toEqual(
    Object.keys(times(0)).map((field) => ({ source: 'providers.json', path: `providers[0].${field}`, expected })),
  );
  const catalog = loadFaultless({ providers: { providers: [provider('openai', times(longest))] } });
  expect(catalog.findProvider('openai')).toMatchObject(times(longest));
});

test('a missing folder is three faults, not a crash', () => {
  const configDir = join(writeConfig({}), 'nowhere');
  expect(loadCatalog({ configDir, env: {} }).faults).toHaveLength(3);
});

describe('the providers that a worker is told to serve', () => {
  const unknown = (asked: string[] | undefined, ids: string[]) =>
    findUnknownProviders({ providers: ids.map((id) => ({ id })) }, asked);

  test.each([[undefined], [[]], [['openai']], [['mistral', 'openai']]])('may be %j', (asked) => {
    expect(unknown(asked, ['openai', 'mistral'])).toEqual([]);
  });

  test('must exist, each of them', () => {
    expect(unknown(['opnai', 'mistral', 'x'], ['openai', 'mistral'])).toEqual(
      ['opnai', 'x'].map((id) => ({
        source: 'environment',
        path: 'WORKER_PROVIDERS',
        expected: `only providers of config/providers.json (openai, mistral), not "${id}"`,
      })),
    );
  });

  test('are not blamed for a file that could not be read', () => {
    expect(unknown(['openai'], [])).toEqual([]);
  });
});
