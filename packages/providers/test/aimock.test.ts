import { batchApiKinds } from '@aimm/contracts';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ModelProvider, type ProviderKind, providerKinds } from '../src/index.ts';
import { ask, createTestProvider, failureOf, modelInfo, patient, plantedKey } from './support/providers.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];

/** The stand-in that the demo and the end-to-end tests use: each adapter must get on with it. */
describe.each(kinds)('%s against aimock', (kind) => {
  let mock: LLMock;
  let provider: ModelProvider;

  beforeAll(async () => {
    mock = new LLMock({ port: 0, logLevel: 'silent', strict: true, auth: { apiKeys: [plantedKey] } });
    mock.onMessage('greeting', { content: 'hi there', usage: { prompt_tokens: 11, completion_tokens: 7 } });
    mock.onMessage('crowded', { error: { message: 'slow', type: 'rate_limit_error' }, status: 429, retryAfter: 7 });
    mock.onMessage('cut', { content: 'x'.repeat(400) }, { latency: 10, truncateAfterChunks: 4 });
    await mock.start();
  });
  afterAll(() => mock.stop());
  beforeEach(() => {
    mock.clearChaos();
    provider = createTestProvider(kind, mock.url);
  });

  test('has a batch API where that is told of its kind', () => {
    expect(provider.batches !== undefined).toBe(batchApiKinds.includes(kind));
  });

  test('generates', async () => {
    const { text, finishReason, usage } = await provider.generate(ask('greeting'), patient());
    expect({ text, finish: finishReason.unified }).toEqual({ text: 'hi there', finish: 'stop' });
    // It streams no counts for these two.
    const silent = kind === 'mistral' || kind === 'ollama';
    expect(usage).toEqual(silent ? {} : { inputTokens: 11, outputTokens: 7, totalTokens: 18 });
  });

  test('waits as long as a 429 asks', async () => {
    expect(await failureOf(provider.generate(ask('crowded'), patient()))).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 7000,
    });
  });

  test('a stream that is cut is a failure of the line', async () => {
    expect(await failureOf(provider.generate(ask('cut'), patient()))).toMatchObject({
      code: 'network',
      retryable: true,
    });
  });

  test('a key that it does not know', async () => {
    const stranger = createTestProvider(kind, mock.url, { apiKey: 'some-other-key' });
    expect(await failureOf(stranger.generate(ask('greeting'), patient()))).toMatchObject({ code: 'authentication' });
  });

  test.each([
    ['dropRate', 'server_error'],
    ['malformedRate', 'server_error'],
    ['disconnectRate', 'network'],
    ['rateLimitRate', 'rate_limited'],
  ] as const)('chaos: %s', async (fault, code) => {
    mock.setChaos({ [fault]: 1 });
    expect(await failureOf(provider.generate(ask('greeting'), patient()))).toMatchObject({ code });
  });
});

describe('batches of openai against aimock', () => {
  let mock: LLMock;
  beforeAll(async () => {
    mock = new LLMock({ port: 0, logLevel: 'silent', strict: true, auth: { apiKeys: [plantedKey] } });
    await mock.start();
  });
  afterAll(() => mock.stop());

  test.each(['responses', 'chat'] as const)('uploads, waits and reads what %s answered', async (api) => {
    const { batches } = createTestProvider('openai', mock.url, {
      describeModel: () => modelInfo('openai', { quirks: { api } }),
    });
    if (batches === undefined) throw new Error('no batches');
    const { signal } = new AbortController();
    const requests = ['a', 'b', 'c'].map((id) => ({ id, request: ask(`greeting ${id}`) }));
    const since = Date.now();
    const { handle } = await batches.submit({ name: `mocked-${api}`, requests, signal });
    const found = await batches.find({ name: `mocked-${api}`, model: 'm-1', requests: 3, since, signal });
    expect(found).toEqual([{ handle, certain: true }]);
    // It goes one step further whenever it is asked.
    const states = [];
    for (let polls = 0; polls < 5 && states.at(-1) !== 'ended'; polls += 1) {
      states.push((await batches.poll(handle, signal)).state);
    }
    expect(states).toContain('running');
    expect(await batches.poll(handle, signal)).toEqual({
      state: 'ended',
      counts: { total: 3, succeeded: 3, failed: 0 },
      resultsReady: true,
    });
    const results = [];
    for await (const result of batches.results(handle, signal)) results.push(result);
    expect(results.map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'c']);
    expect(results[0]).toMatchObject({
      response: { text: 'Mock batch completion', serviceTier: 'batch', finishReason: { unified: 'stop' } },
    });
    await batches.remove(handle, signal);
    await expect(batches.remove(handle, signal)).resolves.toBeUndefined();
  });

  test('keeps what was done of a batch that is cancelled', async () => {
    const { batches } = createTestProvider('openai', mock.url);
    if (batches === undefined) throw new Error('no batches');
    const { signal } = new AbortController();
    const { handle } = await batches.submit({ name: 'stopped', requests: [{ id: 'a', request: ask('hi') }], signal });
    await batches.cancel(handle, signal);
    let progress = await batches.poll(handle, signal);
    for (let polls = 0; polls < 5 && progress.state === 'ending'; polls += 1)
      progress = await batches.poll(handle, signal);
    expect(progress.state).toBe('cancelled');
    await expect(batches.cancel(handle, signal)).resolves.toBeUndefined();
  });
});
