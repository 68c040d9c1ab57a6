import type { GenerationSettings, ModelInfo } from '@aimm/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ModelProvider, ProviderSettings } from '../src/index.ts';
import { ask, createTestProvider, failureOf, modelInfo, patient } from './support/providers.ts';
import { sendEvents, sendJson, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const answer = sendEvents(
  wires.ollama.contentType,
  wires.ollama.text(['ok'], { input: 1, output: 1, cacheRead: 0, reasoning: 0 }),
);
let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());
beforeEach(() => {
  vendor.received.length = 0;
  vendor.answer = answer;
});

const open = (settings: Partial<ProviderSettings> = {}, info?: Partial<ModelInfo>): ModelProvider =>
  createTestProvider('ollama', vendor.url, {
    ...settings,
    ...(info !== undefined && { describeModel: () => modelInfo('ollama', info) }),
  });

async function sent(provider: ModelProvider, text: string, settings: GenerationSettings = {}, model?: string) {
  await provider.generate({ ...ask(text, settings), ...(model !== undefined && { model }) }, patient());
  return vendor.received.at(-1)?.body as { keep_alive?: unknown; options?: { num_ctx?: number } };
}

describe('how long a model stays loaded', () => {
  test.each(['30m', 0, -1])('%j is sent as it is configured', async (keepAlive) => {
    expect(await sent(open({ keepAlive }), 'hi')).toMatchObject({ keep_alive: keepAlive });
  });

  test('is the server’s to say where nothing is configured', async () => {
    expect(await sent(open(), 'hi')).not.toHaveProperty('keep_alive');
  });
});

describe('the context window', () => {
  const long = 'word '.repeat(4_000); // 20,000 bytes: more than the 4,096 tokens that a server gives by itself
  const windowOf = async (provider: ModelProvider, text: string, settings: GenerationSettings = {}) =>
    (await sent(provider, text, settings)).options?.num_ctx;

  test('is the server’s own while the request fits into it', async () => {
    expect(await windowOf(open({}, { contextWindow: 131_072 }), 'hi')).toBeUndefined();
  });

  test('grows with the request, in few steps, since each has the model loaded anew', async () => {
    const provider = open({}, { contextWindow: 131_072 });
    expect(await windowOf(provider, long)).toBe(8_192);
    expect(await windowOf(provider, `${long} and more`)).toBe(8_192);
    expect(await windowOf(provider, long.repeat(4))).toBe(32_768);
    expect(await windowOf(provider, 'hi', { maxOutputTokens: 10_000 })).toBe(16_384);
  });

  test('never passes what the model was made for', async () => {
    const provider = open({}, { contextWindow: 40_960 });
    expect(await windowOf(provider, long.repeat(10))).toBe(40_960);
  });

  test('is left alone where the host is known to give enough', async () => {
    expect(await windowOf(open({ contextLength: 32_768 }, { contextWindow: 131_072 }), long)).toBeUndefined();
  });

  test('of a model that the catalog does not know is asked of the server, once', async () => {
    const asked: string[] = [];
    vendor.answer = (response, request) => {
      asked.push(request.path);
      const shown = { capabilities: ['completion'], model_info: { 'llama.context_length': 10_000 } };
      (request.path === '/api/show' ? sendJson(200, shown) : answer)(response, request);
    };
    const provider = open();
    expect(await windowOf(provider, long.repeat(2))).toBe(10_000);
    expect(await windowOf(provider, long.repeat(2))).toBe(10_000);
    expect(asked).toEqual(['/api/show', '/api/chat', '/api/chat']);
  });

  test('is remembered of so many models as a host may have, and not of all that clients ever named', async () => {
    const shown: string[] = [];
    vendor.answer = (response, request) => {
      if (request.path !== '/api/show') return answer(response, request);
      shown.push((request.body as { model: string }).model); // as Ollama's client sends it
      sendJson(200, { capabilities: ['completion'], model_info: { 'llama.context_length': 10_000 } })(
        response,
        request,
      );
    };
    const provider = open();
    const names = Array.from({ length: 130 }, (_, number) => `named-${number}`);
    const ask = (model: string) => sent(provider, long.repeat(2), {}, model);
    for (const name of [...names, 'named-129', 'named-0']) await ask(name);
    expect(shown).toEqual([...names, 'named-0']);
  });

  test('of a model that nobody knows is the server’s to decide', async () => {
    vendor.answer = (response, request) =>
      (request.path === '/api/show' ? sendJson(500, { error: 'no' }) : answer)(response, request);
    expect(await windowOf(open(), long)).toBeUndefined();
  });

  test('that a server refused to tell is not why the answer broke off', async () => {
    const begun = wires.ollama.text(['ok'], { input: 1, output: 1, cacheRead: 0, reasoning: 0 }).slice(0, 1);
    vendor.answer = (response, request) =>
      (request.path === '/api/show'
        ? sendJson(404, { error: "model 'm-1' not found" })
        : sendEvents(wires.ollama.contentType, begun, 'cut'))(response, request);
    const error = await failureOf(open().generate(ask(long), patient()));
    expect(error).toMatchObject({ code: 'network', retryable: true });
  });
});
