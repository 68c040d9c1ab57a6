import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ModelProvider, type ProviderKind, providerKinds } from '../src/index.ts';
import { ask, createTestProvider, failureOf, patient, plantedKey } from './support/providers.ts';

// An SDK's first call loads it, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

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
