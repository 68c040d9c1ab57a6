import { GenerationRequest, type Message } from '@aimm/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ModelProvider, type ProviderKind, providerKinds } from '../src/index.ts';
import { ask, collect, createTestProvider, failureOf, patient } from './support/providers.ts';
import { sendCompressed, sendEvents, sendJson, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const counts = { input: 100, output: 30, cacheRead: 40, reasoning: 10 };

/** What each wire can say of those counts. */
const usages: Record<ProviderKind, object> = {
  openai: { inputTokens: 100, outputTokens: 30, cacheReadTokens: 40, reasoningTokens: 10, totalTokens: 130 },
  'openai-compatible': {
    inputTokens: 100,
    outputTokens: 30,
    cacheReadTokens: 40,
    reasoningTokens: 10,
    totalTokens: 130,
  },
  anthropic: { inputTokens: 100, outputTokens: 30, cacheReadTokens: 40, reasoningTokens: 10, totalTokens: 130 },
  google: { inputTokens: 100, outputTokens: 30, cacheReadTokens: 40, reasoningTokens: 10, totalTokens: 130 },
  mistral: { inputTokens: 100, outputTokens: 30, cacheReadTokens: 40, totalTokens: 130 },
  ollama: { inputTokens: 100, outputTokens: 30, totalTokens: 130 },
};

describe.each(kinds)('%s', (kind) => {
  const wire = wires[kind];
  let vendor: VendorServer;
  let provider: ModelProvider;

  beforeAll(async () => {
    vendor = await startVendorServer();
  });
  afterAll(() => vendor.close());
  beforeEach(() => {
    provider = createTestProvider(kind, vendor.url);
    vendor.received.length = 0;
  });
  const answer = (events: string[]) => (vendor.answer = sendEvents(wire.contentType, events));

  test('streams text as it comes and ends with finish', async () => {
    answer(wire.text(['Hel', 'lo'], counts));
    const parts = await collect(provider.stream(ask('hi'), patient()));
    expect(parts.filter(({ type }) => type === 'text')).toEqual([
      { type: 'text', text: 'Hel' },
      { type: 'text', text: 'lo' },
    ]);
    expect(parts.at(-1)).toMatchObject({
      type: 'finish',
      finishReason: { unified: 'stop' },
      answeredBy: 'm-1-dated',
      vendorRequestId: 'req-1',
    });
    expect(parts.filter(({ type }) => type === 'finish')).toHaveLength(1);
  });

  test('counts tokens in one meaning and leaves out what the vendor does not say', async () => {
    answer(wire.text(['Hello'], counts));
    const { usage } = await provider.generate(ask('hi'), patient());
    expect(usage).toEqual(usages[kind]);
  });

  test('generate gives what the stream gives', async () => {
    answer(wire.reasoning('hmm', 'Hello'));
    const response = await provider.generate(ask('hi'), patient());
    expect(response).toMatchObject({ text: 'Hello', reasoning: 'hmm', toolCalls: [], warnings: [] });
  });

  test('keeps reasoning apart from text', async () => {
    answer(wire.reasoning('hmm', 'Hello'));
    const parts = await collect(provider.stream(ask('hi'), patient()));
    expect(parts).toContainEqual({ type: 'reasoning', text: 'hmm' });
    expect(parts).toContainEqual({ type: 'text', text: 'Hello' });
  });

  test('gives tool calls whole, and says that it stopped for them', async () => {
    answer(wire.toolCall('weather', { city: 'Rome', days: 2 }));
    const { toolCalls, finishReason } = await provider.generate(ask('hi'), patient());
    expect(toolCalls).toEqual([
      expect.objectContaining({ type: 'tool_call', name: 'weather', arguments: { city: 'Rome', days: 2 } }),
    ]);
    expect(toolCalls[0]?.id).not.toBe('');
    expect(finishReason.unified).toBe('tool_calls');
  });

  test('says when the limit of tokens ended the answer', async () => {
    answer(wire.length('Hel'));
    const { text, finishReason } = await provider.generate(ask('hi'), patient());
    expect({ text, unified: finishReason.unified }).toEqual({ text: 'Hel', unified: 'length' });
  });

  test.each<Message>([
    { role: 'assistant', content: [{ type: 'reasoning', text: 'hmm' }] },
    { role: 'user', content: [{ type: 'text', text: ' \n' }] },
  ])('a prompt of nothing is refused before anything goes out: %j', async (message) => {
    answer(wire.text(['Hello'], counts));
    const request = GenerationRequest.parse({ model: 'm-1', messages: [message], settings: {} });
    await expect(provider.generate(request, patient())).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('The prompt is empty'),
    });
    expect(vendor.received).toEqual([]);
  });

  test('a turn of nothing does not cost the others their answer', async () => {
    answer(wire.text(['Hello'], counts));
    const request = GenerationRequest.parse({
      model: 'm-1',
      settings: {},
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'first words' }] },
        { role: 'assistant', content: [{ type: 'reasoning', text: 'hmm' }] },
        { role: 'user', content: [{ type: 'text', text: 'last words' }] },
      ],
    });
    await provider.generate(request, patient());
    const sent = JSON.stringify(vendor.received.at(-1)?.body);
    expect(sent).toContain('first words');
    expect(sent).toContain('last words');
    expect(sent).not.toMatch(/"role":"(assistant|model)"/);
  });

  test('reads an answer that a proxy compressed', async () => {
    vendor.answer = sendCompressed(wire.contentType, wire.text(['Hello'], counts));
    const { text } = await provider.generate(ask('hi'), patient());
    expect(text).toBe('Hello');
  });

  test('shows status and headers of the response once', async () => {
    answer(wire.text(['Hello'], counts));
    const seen: { status: number; headers: Record<string, string> }[] = [];
    await provider.generate(ask('hi'), { ...patient(), onResponse: (response) => seen.push(response) });
    expect(seen).toEqual([{ status: 200, headers: expect.objectContaining({ 'x-request-id': 'req-1' }) }]);
  });

  test('sends one request per call and keeps its connections for the next', async () => {
    answer(wire.text(['Hello'], counts));
    const before = vendor.connections();
    for (let call = 0; call < 8; call += 1) await provider.generate(ask('hi'), patient());
    expect(vendor.received).toHaveLength(8);
    // Two, since the next call may start before the pool has taken the first one back.
    expect(vendor.connections() - before).toBeLessThanOrEqual(2);
  });

  test('lists the models', async () => {
    vendor.answer = sendJson(200, wire.listing);
    const models = await provider.listModels(patient());
    expect(models.map(({ id }) => id.replace(':latest', ''))).toEqual(['m-1', 'm-2']);
  });

  test('finds a model in the listing, and calls another unknown', async () => {
    vendor.answer = (response, request) =>
      /m-1|m-9|show/.test(request.path)
        ? sendJson(404, wire.error(404, 'not_found', 'no such model'))(response, request)
        : sendJson(200, wire.listing)(response, request);
    await expect(provider.getModelInfo('m-1', patient())).resolves.toMatchObject({ id: 'm-1' });
    await expect(provider.getModelInfo('m-9', patient())).rejects.toMatchObject({
      code: 'unknown_model',
      message: expect.stringContaining('m-9'),
    });
  });

  test.each([
    ['another shape', { hello: 'world' }],
    ['models without a name', { data: [{ no: 'id' }], models: [{ no: 'name' }] }],
    ['an empty object', {}],
    ['a list', []],
    ['broken JSON', '{"data": ['],
  ])('takes a listing of %s for a failure of the server', async (_name, body) => {
    vendor.answer = sendJson(200, body);
    await expect(provider.listModels(patient())).rejects.toMatchObject({ code: 'server_error' });
  });
});

test('as many calls are with a server at once as are made: none waits unsent while its time runs', async () => {
  const vendor = await startVendorServer();
  const { promise: allArrived, resolve } = Promise.withResolvers<void>();
  vendor.answer = () => {
    if (vendor.received.length === 130) resolve();
  };
  const provider = createTestProvider('openai-compatible', vendor.url, { firstByteTimeoutMs: 3_000 });
  const controller = new AbortController();
  const options = { signal: controller.signal, timeoutMs: 10_000 };
  const calls = Promise.all(Array.from({ length: 130 }, () => failureOf(provider.generate(ask('hi'), options))));
  await Promise.race([allArrived, calls]);
  expect(vendor.received).toHaveLength(130);
  controller.abort();
  await calls;
  await vendor.close();
});
