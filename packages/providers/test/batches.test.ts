import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BatchEndpoint, BatchResult } from '../src/index.ts';
import { type BatchServer, noRoom, startBatchServer } from './support/batch-server.ts';
import { type BatchKind, wholeWires } from './support/batch-wires.ts';
import { ask, createTestProvider, failureOf, modelInfo, patient, plantedKey } from './support/providers.ts';
import { sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds: BatchKind[] = ['openai', 'anthropic', 'google', 'mistral'];
const counts = { input: 100, output: 30, cacheRead: 40, reasoning: 10 };
const signal = new AbortController().signal;
const since = () => Date.now();

async function readAll(results: AsyncIterable<BatchResult>): Promise<BatchResult[]> {
  const all: BatchResult[] = [];
  for await (const result of results) all.push(result);
  return all.toSorted((a, b) => a.id.localeCompare(b.id));
}

const responseOf = (result: BatchResult | undefined) =>
  result !== undefined && 'response' in result ? result.response : undefined;
const errorOf = (result: BatchResult | undefined) =>
  result !== undefined && 'error' in result ? result.error : undefined;

describe.each(kinds)('batches of %s', (kind) => {
  const whole = wholeWires[kind];
  /** Whether results name what was not done before the batch ended. */
  const namesTheRest = kind === 'openai' || kind === 'anthropic';
  let server: BatchServer;
  let endpoint: BatchEndpoint;

  beforeAll(async () => {
    server = await startBatchServer(kind);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    Object.assign(server, { batches: [], refuse: undefined, cutAfterBytes: undefined, losesAnswer: false });
    server.tamper = (lines) => lines.toReversed();
    server.files.clear();
    server.received.length = 0;
    server.fateOf = (_id, body) => ({ answer: whole.text(`answer to ${promptOf(body)}`, counts) });
    endpoint = endpointOf();
  });

  function endpointOf(settings: Parameters<typeof createTestProvider>[2] = {}): BatchEndpoint {
    const { batches } = createTestProvider(kind, server.url, settings);
    if (batches === undefined) throw new Error('no batches');
    return batches;
  }
  const requests = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ id: `r${index}`, request: ask(`prompt ${index}`) }));
  const submit = async (count: number, name = 'first-batch') =>
    (await endpoint.submit({ name, requests: requests(count), signal })).handle;
  /** As our ids stand in the server's requests. */
  const ownId = (id: string) => id.replace(/^[\w-]+_(?=r\d+$)/, '');
  const fates = (byId: Record<string, ReturnType<BatchServer['fateOf']>>) => {
    server.fateOf = (id, body) => byId[ownId(id)] ?? { answer: whole.text(`answer to ${promptOf(body)}`, counts) };
  };

  test('asks each request as a single call does, but for the stream, and answers each by its id', async () => {
    const handle = await submit(3);
    expect(JSON.stringify(handle).length).toBeLessThan(300);
    expect(server.batches[0]?.requests.map(({ id }) => ownId(id))).toEqual(['r0', 'r1', 'r2']);
    expect(JSON.stringify(server.batches)).not.toMatch(/"stream(_options)?":/);
    expect(await endpoint.poll(handle, signal)).toMatchObject({
      state: expect.stringMatching(/validating|running/),
      resultsReady: false,
    });
    server.end('running');
    expect((await endpoint.poll(handle, signal)).state).toBe('running');
    server.end('ended');
    expect(await endpoint.poll(handle, signal)).toMatchObject({
      state: 'ended',
      counts: { total: 3, succeeded: 3 },
      resultsReady: true,
    });
    const results = await readAll(endpoint.results(handle, signal));
    expect(results.map((result) => [result.id, responseOf(result)?.text])).toEqual([
      ['r0', 'answer to prompt 0'],
      ['r1', 'answer to prompt 1'],
      ['r2', 'answer to prompt 2'],
    ]);
    // Whatever the answer says: OpenAI's say "default".
    expect(new Set(results.map((result) => responseOf(result)?.serviceTier))).toEqual(new Set(['batch']));
  });

  test('sends the same body as a single call', async () => {
    const settings = {
      maxOutputTokens: 100,
      temperature: 0.5,
      responseFormat: {
        type: 'json_schema' as const,
        schema: { type: 'object', properties: { a: { type: 'string' } } },
      },
      tools: [{ name: 'weather', description: 'of a city', parameters: { type: 'object', properties: {} } }],
    };
    const asked = ask(
      [
        { role: 'system', content: [{ type: 'text', text: 'be brief' }] },
        { role: 'user', content: [{ type: 'text', text: 'prompt 0' }] },
      ],
      settings,
    );
    const vendor = await startVendorServer();
    try {
      vendor.answer = sendEvents(wires[kind].contentType, wires[kind].text(['x'], counts));
      await createTestProvider(kind, vendor.url).generate(asked, patient());
      await endpoint.submit({ name: 'same', requests: [{ id: 'r0', request: asked }], signal });
      const { stream: _stream, ...single } = Object(vendor.received[0]?.body) as Record<string, unknown>;
      // A job of Mistral's names the model for all of its lines.
      if (kind === 'mistral') delete single['model'];
      expect(server.batches[0]?.requests[0]?.body).toEqual(single);
    } finally {
      await vendor.close();
    }
  });

  describe('an answer in one piece is read as the same answer streamed', () => {
    let vendor: VendorServer;
    beforeAll(async () => {
      vendor = await startVendorServer();
    });
    afterAll(() => vendor.close());

    test.each([
      ['text', wires[kind].text(['Hel', 'lo'], counts), whole.text('Hello', counts)],
      ['reasoning', wires[kind].reasoning('hmm', 'Hello'), whole.reasoning('hmm', 'Hello')],
      ['a tool call', wires[kind].toolCall('weather', { city: 'Rome' }), whole.toolCall('weather', { city: 'Rome' })],
      ['a limit', wires[kind].length('Hel'), whole.length('Hel')],
    ])('%s', async (_name, events, answer) => {
      vendor.answer = sendEvents(wires[kind].contentType, events);
      const streamed = await createTestProvider(kind, vendor.url).generate(ask('hi'), patient());
      server.fateOf = () => ({ answer });
      const handle = await submit(1);
      server.end('ended');
      const [result] = await readAll(endpoint.results(handle, signal));
      const given = responseOf(result);
      expect(given?.finishReason.unified).toBe(streamed.finishReason.unified);
      expect({
        text: given?.text,
        reasoning: given?.reasoning,
        toolCalls: given?.toolCalls,
        warnings: given?.warnings,
      }).toEqual({
        text: streamed.text,
        reasoning: streamed.reasoning,
        toolCalls: streamed.toolCalls,
        warnings: [],
      });
    });
  });

  test('counts tokens as the same answer streamed', async () => {
    const vendor = await startVendorServer();
    vendor.answer = sendEvents(wires[kind].contentType, wires[kind].text(['Hello'], counts));
    const streamed = await createTestProvider(kind, vendor.url).generate(ask('hi'), patient());
    await vendor.close();
    const handle = await submit(1);
    server.end('ended');
    const [result] = await readAll(endpoint.results(handle, signal));
    expect(streamed.usage.inputTokens).toBe(100);
    expect(responseOf(result)).toMatchObject({ usage: streamed.usage, answeredBy: streamed.answeredBy });
  });

  test('a request that was refused has the error that a single call would have ended with', async () => {
    const refusal = wires[kind].error(429, 'rate_limit_error', 'slow down') as object;
    const invalid = wires[kind].error(
      400,
      kind === 'google' ? 'invalid_argument' : 'invalid_request_error',
      'no',
    ) as object;
    fates({
      r1: { status: 429, body: kind === 'google' ? { code: 8, message: 'slow down' } : refusal },
      r2: { status: 400, body: kind === 'google' ? { code: 3, message: 'no' } : invalid },
    });
    const handle = await submit(3);
    server.end('ended');
    expect((await endpoint.poll(handle, signal)).counts).toEqual({ total: 3, succeeded: 1, failed: 2 });
    const [r0, r1, r2] = await readAll(endpoint.results(handle, signal));
    expect(responseOf(r0)?.text).toBe('answer to prompt 0');
    expect(errorOf(r1)).toMatchObject({ code: 'rate_limited', retryable: true, provider: kind });
    expect(errorOf(r2)).toMatchObject({ code: 'invalid_request', retryable: false });
  });

  test('an answer of no known shape is a failure of the server, not an empty text', async () => {
    fates({ r0: { answer: { hello: 'world' } }, r1: { answer: {} } });
    const handle = await submit(2);
    server.end('ended');
    const results = await readAll(endpoint.results(handle, signal));
    expect(results.map((result) => errorOf(result)?.code)).toEqual(['server_error', 'server_error']);
  });

  // Gemini gives no results of a batch that did not end by itself.
  test('gives what was done before the batch was cancelled, and says that the rest was not', async () => {
    fates({ r1: 'cancelled' });
    const handle = await submit(2);
    await endpoint.cancel(handle, signal);
    expect(await endpoint.poll(handle, signal)).toMatchObject({ state: 'ending', resultsReady: false });
    server.end('cancelled');
    expect(await endpoint.poll(handle, signal)).toMatchObject({ state: 'cancelled', resultsReady: kind !== 'google' });
    const [r0, r1] = await readAll(endpoint.results(handle, signal));
    expect(responseOf(r0)?.text).toBe(kind === 'google' ? undefined : 'answer to prompt 0');
    // The others leave out what they did not do.
    expect(errorOf(r1)?.code).toBe(namesTheRest ? 'cancelled' : undefined);
    expect(r1 === undefined).toBe(!namesTheRest);
  });

  test('gives what was done before the batch expired; the rest may be asked again', async () => {
    fates({ r1: 'expired' });
    const handle = await submit(2);
    server.end('expired');
    expect((await endpoint.poll(handle, signal)).state).toBe('expired');
    const [r0, r1] = await readAll(endpoint.results(handle, signal));
    expect(responseOf(r0)?.text).toBe(kind === 'google' ? undefined : 'answer to prompt 0');
    expect(errorOf(r1)?.retryable).toBe(namesTheRest ? true : undefined);
    expect(r1 === undefined).toBe(!namesTheRest);
  });

  test('cancelling a batch that is over does nothing', async () => {
    const handle = await submit(1);
    server.end('ended');
    server.refuse = (_method, path) =>
      path.endsWith('cancel')
        ? {
            status: kind === 'openai' ? 409 : 400,
            body: wires[kind].error(400, 'invalid_request_error', 'it has ended') as object,
          }
        : undefined;
    await expect(endpoint.cancel(handle, signal)).resolves.toBeUndefined();
    server.refuse = undefined;
    expect((await endpoint.poll(handle, signal)).state).toBe('ended');
  });

  test('garbage between the lines costs nobody else an answer, and a line that comes twice counts once', async () => {
    server.tamper = (lines) => [
      '{"custom_id": "r',
      ...lines.slice(1),
      '',
      'null',
      '[1]',
      '<html>',
      '{}',
      ...lines.slice(1),
    ];
    const handle = await submit(4);
    server.end('ended');
    const results: string[] = [];
    for await (const { id } of endpoint.results(handle, signal)) results.push(id);
    expect(results.toSorted()).toEqual(['r1', 'r2', 'r3']);
  });

  test('results that break off are a failure of the line, and may be read again from the beginning', async () => {
    const handle = await submit(20);
    server.end('ended');
    server.cutAfterBytes = 1_500;
    const seen: string[] = [];
    const error = await failureOf(
      (async () => {
        for await (const { id } of endpoint.results(handle, signal)) seen.push(id);
      })(),
    );
    expect(error).toMatchObject({ code: 'network', retryable: true });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(20);
    expect(await readAll(endpoint.results(handle, signal))).toHaveLength(20);
  });

  test('a batch whose submission was never answered is found again by its name', async () => {
    const asked = since();
    await submit(2, 'another');
    server.losesAnswer = true;
    const error = await failureOf(endpoint.submit({ name: 'lost', requests: requests(3), signal }));
    expect(error).toMatchObject({ code: 'network' });
    for (const name of ['third', 'fourth', 'fifth']) await submit(2, name);
    const search = { name: 'lost', model: 'm-1', requests: 3, since: asked, signal };
    const found = await endpoint.find(search);
    // Anthropic has no names: it can be told for certain only once results are there.
    expect(found.map(({ certain }) => certain)).toEqual([kind !== 'anthropic']);
    server.end('ended');
    const [later] = await endpoint.find(search);
    expect(later?.certain).toBe(true);
    expect(await readAll(endpoint.results(later?.handle ?? {}, signal))).toHaveLength(3);
    expect(await endpoint.find({ ...search, name: 'never' })).toEqual([]);
  });

  test('deletes what the vendor keeps, and does not mind what is gone', async () => {
    const handle = await submit(2);
    server.end('ended');
    await endpoint.remove(handle, signal);
    expect(server.files.size).toBe(0);
    // OpenAI and Mistral keep the batch itself, without what was said in it.
    expect(server.batches).toHaveLength(kind === 'anthropic' || kind === 'google' ? 0 : 1);
  });

  test.each([
    ['a 429', 429, { 'retry-after': '7' }, { code: 'rate_limited', retryAfterMs: 7_000 }],
    ['a bad key', 401, {}, { code: 'authentication' }],
    ['an overload', 503, {}, { code: 'overloaded', retryable: true }],
  ])('%s is an error of ours at every step', async (_name, status, headers, expected) => {
    const handle = await submit(1);
    server.end('ended');
    server.refuse = () => ({
      status,
      headers,
      body: wires[kind].error(status, 'some_error', `no, ${plantedKey}`) as object,
    });
    const search = { name: 'x', model: 'm-1', requests: 1, since: since(), signal };
    for (const step of [
      () => endpoint.submit({ name: 'x', requests: requests(1), signal }),
      () => endpoint.poll(handle, signal),
      () => readAll(endpoint.results(handle, signal)),
      () => endpoint.find(search),
    ]) {
      const error = await failureOf(step());
      expect(error).toMatchObject({ ...expected, provider: kind });
      expect(JSON.stringify([error.message, error.vendorMessage, error.hint])).not.toContain(plantedKey);
    }
  });

  test('refuses before anything is sent what is no batch', async () => {
    const one = { id: 'r0', request: ask('hi') };
    const refused = [
      { name: 'x', requests: [] },
      { name: 'x', requests: [one, one] },
      { name: 'x', requests: [{ ...one, id: 'not an id' }] },
      { name: 'a name', requests: [one] },
      { name: 'x', requests: [one, { id: 'r1', request: { ...ask('hi'), model: 'm-2' } }] },
      { name: 'x', requests: [{ id: 'r0', request: ask(' \n') }] },
    ];
    for (const batch of refused) {
      expect(await failureOf(endpoint.submit({ ...batch, signal }))).toMatchObject({ code: 'invalid_request' });
    }
    expect(await failureOf(endpointOf({ apiKey: '' }).submit({ name: 'x', requests: [one], signal }))).toMatchObject({
      code: 'authentication',
    });
    expect(server.received).toEqual([]);
  });

  test('tells how large a request is and which settings give way', async () => {
    const { batches } = createTestProvider(kind, server.url, {
      describeModel: () => modelInfo(kind, { quirks: { unsupported: ['topP'] } }),
    });
    const long = ask('x'.repeat(5_000), { serviceTier: 'flex', topP: 0.5 });
    const prepared = await batches?.prepare(long);
    expect(prepared?.bytes).toBeGreaterThan(5_000);
    expect(prepared?.bytes).toBeLessThan(6_500);
    expect(prepared?.warnings.map(({ setting }) => setting)).toEqual(expect.arrayContaining(['serviceTier', 'topP']));
    await batches?.submit({ name: 'x', requests: [{ id: 'r0', request: long }], signal });
    expect(JSON.stringify(server.batches)).not.toContain('flex');
  });

  test('ends at once when whoever waits leaves', async () => {
    const handle = await submit(1);
    const leaving = new AbortController();
    server.refuse = () => {
      leaving.abort();
      return undefined;
    };
    expect(await failureOf(endpoint.poll(handle, leaving.signal))).toMatchObject({ code: 'cancelled' });
  });
});

/** The text that was asked, wherever the vendor's body holds it. */
function promptOf(body: Record<string, unknown>): string {
  return /prompt \d+/.exec(JSON.stringify(body))?.[0] ?? '';
}

test('the demo has batches of OpenAI only: its stand-in speaks no others', () => {
  const has = kinds.filter(
    (kind) => createTestProvider(kind, 'http://127.0.0.1:9', { demo: true }).batches !== undefined,
  );
  expect(has).toEqual(['openai']);
});

test.each(['openai-compatible', 'ollama'] as const)('%s has no batches', (kind) => {
  expect(createTestProvider(kind, 'http://127.0.0.1:9').batches).toBeUndefined();
});

describe.each(['openai', 'google', 'mistral'] as const)('batches of %s, which are files', (kind) => {
  let server: BatchServer;
  beforeAll(async () => {
    server = await startBatchServer(kind);
  });
  afterAll(() => server.close());
  const requests = [{ id: 'r0', request: ask('prompt 0') }];

  test('says why a batch failed as a whole', async () => {
    const { batches } = createTestProvider(kind, server.url);
    const { handle = {} } = (await batches?.submit({ name: 'unread', requests, signal })) ?? {};
    server.end('failed');
    const progress = await batches?.poll(handle, signal);
    expect(progress).toMatchObject({ state: 'failed', resultsReady: false });
    expect(progress?.error?.vendorMessage).toContain('line 3');
  });

  test('knows a lack of room, told at once or later, from a prompt that is too long', async () => {
    if (kind !== 'openai') return;
    const { batches } = createTestProvider(kind, server.url);
    const { handle = {} } = (await batches?.submit({ name: 'waiting', requests, signal })) ?? {};
    for (const batch of server.batches) Object.assign(batch, { state: 'failed', failure: noRoom });
    const { error } = (await batches?.poll(handle, signal)) ?? {};
    expect(error).toMatchObject({ code: 'rate_limited', retryable: true });
    server.refuse = (method, path) =>
      method === 'POST' && path.endsWith('/batches') ? { status: 400, body: { error: noRoom } } : undefined;
    const refused = failureOf(batches?.submit({ name: 'refused', requests, signal }) ?? Promise.resolve());
    expect(await refused).toMatchObject({ code: 'rate_limited', retryable: true });
    server.refuse = undefined;
  });

  test('takes its upload back when the batch is refused', async () => {
    server.files.clear();
    server.refuse = (method, path) =>
      method === 'POST' && /batches$|jobs$|batchGenerateContent$/.test(path)
        ? { status: 429, body: wires[kind].error(429, 'rate_limit_error', 'too many batches') as object }
        : undefined;
    const { batches } = createTestProvider(kind, server.url);
    const submitted = batches?.submit({ name: 'refused', requests, signal });
    expect(await failureOf(submitted ?? Promise.resolve())).toMatchObject({ code: 'rate_limited' });
    expect(server.files.size).toBe(0);
  });

  test.each([408, 502])('leaves the upload to a batch that may have been made: %i', async (status) => {
    Object.assign(server, { batches: [], refuse: undefined, losesAnswer: status });
    server.files.clear();
    const { batches } = createTestProvider(kind, server.url);
    const error = await failureOf(batches?.submit({ name: 'made', requests, signal }) ?? Promise.resolve());
    expect(error.vendorMessage).toContain(`HTTP ${status}`);
    expect(server.batches).toHaveLength(1);
    expect(server.files.size).toBe(1);
  });

  test.each([
    [
      { status: 422, body: { detail: 'no' } },
      { code: 'invalid_request', retryable: false },
    ],
    [
      { status: 429, body: { detail: 'no' }, headers: { 'retry-after': '7' } },
      { code: 'rate_limited', retryAfterMs: 7_000 },
    ],
  ])('says why it was refused, whatever becomes of the upload: %j', async (refusal, expected) => {
    const { batches } = createTestProvider(kind, server.url);
    for (const removal of [
      undefined,
      { status: 404, body: {} },
      { status: 500, body: { error: { message: 'oops' } } },
    ]) {
      server.refuse = (method, path) => {
        if (method === 'DELETE') return removal;
        return /batches$|jobs$|batchGenerateContent$/.test(path) ? refusal : undefined;
      };
      const error = await failureOf(batches?.submit({ name: 'refused', requests, signal }) ?? Promise.resolve());
      expect(error).toMatchObject(expected);
      expect(error.vendorMessage).toContain(`HTTP ${refusal.status}`);
    }
  });
});
