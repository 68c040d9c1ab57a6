import { inspect } from 'node:util';
import type { ErrorCode } from '@aimm/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ModelProvider, type ProviderKind, providerKinds, type StreamPart } from '../src/index.ts';
import { ask, collect, createTestProvider, failureOf, patient, plantedKey } from './support/providers.ts';
import { type Answer, sendEvents, sendJson, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const counts = { input: 10, output: 3, cacheRead: 0, reasoning: 0 };

/** What a vendor says, and what it means to us. Words the vendor's own, where they differ. */
type Case = [name: string, status: number, word: string, message: string, code: ErrorCode, retryable: boolean];

const common: Case[] = [
  ['a bad key', 401, 'authentication_error', `Incorrect API key provided: ${plantedKey}`, 'authentication', false],
  ['a forbidden model', 403, 'permission_error', 'not for you', 'permission', false],
  ['an unknown model', 404, 'not_found_error', "model 'm-1' not found", 'unknown_model', false],
  ['a bad request', 400, 'invalid_request_error', 'temperature is odd', 'invalid_request', false],
  ['a rate limit', 429, 'rate_limit_error', 'slow down', 'rate_limited', true],
  ['a failure of the server', 500, 'api_error', 'oops', 'server_error', true],
  ['overload', 503, 'overloaded_error', 'busy', 'overloaded', true],
  ['overload (529)', 529, 'overloaded_error', 'busy', 'overloaded', true],
  ['a slow gateway', 504, 'timeout_error', 'too slow', 'timeout', true],
];

const own: Record<ProviderKind, Case[]> = {
  openai: [
    ['a used up quota', 429, 'insufficient_quota', 'check your plan', 'quota_exceeded', false],
    ['a long prompt', 400, 'context_length_exceeded', 'too long', 'context_length_exceeded', false],
    ['refused content', 400, 'content_policy_violation', 'no', 'content_filtered', false],
  ],
  'openai-compatible': [
    ['a used up credit', 402, 'payment', 'no credits', 'quota_exceeded', false],
    [
      'a flagged prompt',
      403,
      '',
      'm-1 requires moderation. Your input was flagged for "violence"',
      'content_filtered',
      false,
    ],
    [
      'a setting that no host of the model takes',
      404,
      '',
      'No endpoints found that support tool use',
      'invalid_request',
      false,
    ],
    ['a model that nobody hosts', 404, '', 'No endpoints found for m-1.', 'unknown_model', false],
    ['an address without its /v1', 404, '', 'Not Found', 'server_error', false],
    [
      'a long prompt',
      400,
      'bad',
      "This model's maximum context length is 4096 tokens",
      'context_length_exceeded',
      false,
    ],
  ],
  anthropic: [
    ['a used up credit', 400, 'invalid_request_error', 'Your credit balance is too low', 'quota_exceeded', false],
    ['a long prompt', 400, 'invalid_request_error', 'prompt is too long: 9 tokens', 'context_length_exceeded', false],
  ],
  google: [
    ['a bad key (400)', 400, 'api_key_invalid', 'API key not valid', 'authentication', false],
    [
      'a long prompt',
      400,
      'invalid_argument',
      'The input token count (9) exceeds the maximum number',
      'context_length_exceeded',
      false,
    ],
  ],
  mistral: [
    ['a used up tier', 429, 'x', 'Service tier capacity exceeded for this model.', 'overloaded', true],
    ['an invalid model', 400, 'invalid_model', 'Invalid model: m-1', 'unknown_model', false],
    [
      'a long prompt',
      400,
      'x',
      'Prompt is too large for model with 4096 maximum context length',
      'context_length_exceeded',
      false,
    ],
  ],
  ollama: [
    ['a long prompt', 400, '', 'the input length exceeds the context length', 'context_length_exceeded', false],
    ['a model without tools', 400, '', '"m-1" does not support tools', 'invalid_request', false],
  ],
};

describe.each(kinds)('%s', (kind) => {
  const wire = wires[kind];
  const answer = wire.text(['Hello'], counts);
  let vendor: VendorServer;
  let provider: ModelProvider;

  beforeAll(async () => {
    vendor = await startVendorServer();
  });
  afterAll(() => vendor.close());
  beforeEach(() => {
    provider = createTestProvider(kind, vendor.url);
  });
  const fail = async (reply: Answer, with_ = provider) => {
    vendor.answer = reply;
    return failureOf(with_.generate(ask('hi'), patient()));
  };

  test.each([...common, ...own[kind]])('%s', async (_name, status, word, message, code, retryable) => {
    const error = await fail(sendJson(status, wire.error(status, word, message)));
    expect(error).toMatchObject({ name: 'ModelManagerError', code, retryable, provider: kind });
    expect(error.message).toContain(kind);
    expect(error.hint).toBeTruthy();
    // Ours, not the vendor's, which is for the log.
    expect(error.message).not.toContain(message);
    expect(error.vendorMessage).toContain(`HTTP ${status}`);
    expect(error.vendorMessage).toContain(message.replace(plantedKey, '[key]'));
    expect(inspect(error, { depth: 9 })).not.toContain(plantedKey);
  });

  test.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '7' }, 7000],
    ['milliseconds', { 'retry-after-ms': '1500', 'retry-after': '9' }, 1500],
    ['a date', { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, 3_600_000],
    [
      'the reset of a used up limit',
      { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1m2s' },
      62_000,
    ],
  ])('says how long to wait, when told in %s', async (_name, headers, ms) => {
    const error = await fail(sendJson(429, wire.error(429, 'rate_limit_error', 'slow'), headers));
    expect(error.code).toBe('rate_limited');
    expect(error.retryAfterMs).toBeGreaterThan(ms - (ms > 1_000_000 ? 120_000 : 1));
    expect(error.retryAfterMs).toBeLessThanOrEqual(ms);
  });

  test('an error body that is no JSON', async () => {
    const error = await fail((response) => response.writeHead(502).end('<html>Bad Gateway</html>'));
    expect(error).toMatchObject({ code: 'server_error', retryable: true });
  });

  test('nobody listens', async () => {
    const gone = await startVendorServer();
    await gone.close();
    const error = await failureOf(createTestProvider(kind, gone.url).generate(ask('hi'), patient()));
    expect(error).toMatchObject({ code: 'network', message: expect.stringContaining(new URL(gone.url).host) });
    expect(error.vendorMessage).toContain('ECONNREFUSED');
  });

  test('a web page with status 200', async () => {
    const error = await fail((response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome to our proxy</html>');
    });
    expect(error).toMatchObject({ code: 'server_error', message: expect.stringContaining('web page') });
  });

  test('a redirect, which would carry the key away', async () => {
    const error = await fail((response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end());
    expect(error).toMatchObject({ code: 'server_error', retryable: false });
  });

  test.each<[string, Answer]>([
    ['an empty answer', sendEvents(wire.contentType, [])],
    ['malformed JSON', sendJson(200, '{"choices": [')],
    ['JSON of some other kind', sendJson(200, { hello: 'world' })],
    ['a malformed first event', sendEvents(wire.contentType, [kind === 'ollama' ? '{"mess\n' : 'data: {"mess\n\n'])],
  ])('%s with status 200 is a failure of the server', async (_name, reply) => {
    expect(await fail(reply)).toMatchObject({ code: 'server_error', retryable: true });
  });

  test('a stream without its end is never taken for an answer', async () => {
    const error = await fail(sendEvents(wire.contentType, answer.slice(0, -wire.endEvents)));
    expect(error).toMatchObject({
      code: 'network',
      message: expect.stringContaining('before the answer was complete'),
    });
  });

  test('a stream that ends within an event', async () => {
    const cut = [...answer.slice(0, -wire.endEvents), answer.at(-wire.endEvents)?.slice(0, 12) ?? ''];
    expect(await fail(sendEvents(wire.contentType, cut))).toMatchObject({ code: 'network' });
  });

  test('a line that is cut', async () => {
    const error = await fail(sendEvents(wire.contentType, answer.slice(0, -wire.endEvents), 'cut'));
    expect(error).toMatchObject({ code: 'network', retryable: true });
  });

  test('a failure that is reported within the stream', async () => {
    const error = await fail(sendEvents(wire.contentType, [...answer.slice(0, -wire.endEvents), wire.fault]));
    // Ollama names no kind of failure, and Mistral's SDK keeps to itself what was said.
    expect(error.code).toBe(kind === 'ollama' || kind === 'mistral' ? 'server_error' : 'overloaded');
    expect(error.retryable).toBe(true);
  });

  test('a server that does not begin', async () => {
    vendor.answer = () => undefined;
    const hasty = createTestProvider(kind, vendor.url, { firstByteTimeoutMs: 60 });
    const error = await failureOf(hasty.generate(ask('hi'), patient()));
    expect(error).toMatchObject({ code: 'timeout', message: expect.stringContaining('did not begin') });
  });

  test('a server that falls silent', async () => {
    const hasty = createTestProvider(kind, vendor.url, { idleTimeoutMs: 60 });
    const error = await fail(sendEvents(wire.contentType, answer.slice(0, -wire.endEvents), 'hang'), hasty);
    expect(error).toMatchObject({ code: 'timeout', message: expect.stringContaining('fell silent') });
    await vendor.received.at(-1)?.gone;
  });

  test('a call that takes longer than it may', async () => {
    vendor.answer = sendEvents(wire.contentType, answer.slice(0, -wire.endEvents), 'hang');
    const error = await failureOf(provider.generate(ask('hi'), { ...patient(), timeoutMs: 60 }));
    expect(error).toMatchObject({ code: 'timeout', message: expect.stringContaining('did not finish') });
  });

  test('a server that has answered and keeps the line open has answered', async () => {
    vendor.answer = sendEvents(wire.contentType, answer, 'hang');
    const hasty = createTestProvider(kind, vendor.url, { idleTimeoutMs: 60 });
    await expect(hasty.generate(ask('hi'), patient())).resolves.toMatchObject({ text: 'Hello' });
    await vendor.received.at(-1)?.gone;
  });

  describe('a cancelled call', () => {
    let controller: AbortController;
    beforeEach(() => {
      controller = new AbortController();
    });
    afterEach(() => controller.abort());
    const options = () => ({ signal: controller.signal, timeoutMs: 10_000 });

    test('ends at once in the middle of the stream, and the line is closed', async () => {
      vendor.answer = sendEvents(wire.contentType, answer.slice(0, -wire.endEvents), 'hang');
      const parts: StreamPart[] = [];
      const reading = (async () => {
        for await (const part of provider.stream(ask('hi'), options())) {
          parts.push(part);
          if (part.type !== 'text') continue;
          controller.abort();
        }
      })();
      expect(await failureOf(reading)).toMatchObject({ code: 'cancelled', retryable: false });
      await vendor.received.at(-1)?.gone;
      expect(parts.some(({ type }) => type === 'text')).toBe(true);
    });

    test('ends at once before the answer begins', async () => {
      const { promise: arrived, resolve } = Promise.withResolvers<void>();
      vendor.answer = () => resolve();
      const call = failureOf(provider.generate(ask('hi'), options()));
      await arrived;
      controller.abort();
      expect(await call).toMatchObject({ code: 'cancelled' });
      await vendor.received.at(-1)?.gone;
    });

    test('is not sent when it was cancelled before', async () => {
      vendor.received.length = 0;
      controller.abort();
      expect(await failureOf(provider.generate(ask('hi'), options()))).toMatchObject({ code: 'cancelled' });
      expect(vendor.received).toHaveLength(0);
    });

    test('closes the line when the reader just leaves', async () => {
      vendor.answer = sendEvents(wire.contentType, answer.slice(0, -wire.endEvents), 'hang');
      for await (const part of provider.stream(ask('hi'), options())) if (part.type === 'text') break;
      await expect(vendor.received.at(-1)?.gone).resolves.toBeUndefined();
    });
  });

  test('a missing key is said before anything is sent', async () => {
    vendor.received.length = 0;
    const keyless = createTestProvider(kind, vendor.url, { apiKey: '', keyRequired: true });
    expect(keyless.isAvailable()).toBe(false);
    const error = await failureOf(collect(keyless.stream(ask('hi'), patient())));
    expect(error).toMatchObject({ code: 'authentication', hint: expect.stringContaining('TEST_API_KEY') });
    expect(vendor.received).toHaveLength(0);
  });
});

describe('what only one vendor says', () => {
  let vendor: VendorServer;
  beforeAll(async () => {
    vendor = await startVendorServer();
  });
  afterAll(() => vendor.close());
  const fail = (kind: ProviderKind, reply: Answer) => {
    vendor.answer = reply;
    return failureOf(createTestProvider(kind, vendor.url).generate(ask('hi'), patient()));
  };
  const googleBody = (details: object[]) => ({
    error: { code: 429, message: 'quota', status: 'RESOURCE_EXHAUSTED', details },
  });

  test('google: RetryInfo in the body is the time to wait', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '17.5s' }];
    expect(await fail('google', sendJson(429, googleBody(details)))).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 17_500,
    });
  });

  test('google: a quota per day is no rate limit', async () => {
    const details = [
      { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{ quotaId: 'RequestsPerDayPerProject' }] },
    ];
    expect(await fail('google', sendJson(429, googleBody(details)))).toMatchObject({
      code: 'quota_exceeded',
      retryable: false,
    });
  });

  test('google: a tool call that the model botched is asked for again', async () => {
    const chunk = { candidates: [{ content: {}, finishReason: 'MALFORMED_FUNCTION_CALL' }] };
    expect(await fail('google', sendEvents('text/event-stream', [`data: ${JSON.stringify(chunk)}\n\n`]))).toMatchObject(
      { code: 'server_error', retryable: true },
    );
  });

  test('anthropic: a spending limit is no rate limit', async () => {
    const error = {
      type: 'rate_limit_error',
      message: 'spend',
      details: { error_code: 'enforced_spend_limit_reached' },
    };
    expect(await fail('anthropic', sendJson(429, { type: 'error', error }))).toMatchObject({ code: 'quota_exceeded' });
  });

  test('mistral: a limit of nothing is no rate limit', async () => {
    const reply = sendJson(429, { message: 'limited' }, { 'x-ratelimit-limit-req-minute': '0' });
    expect(await fail('mistral', reply)).toMatchObject({ code: 'quota_exceeded' });
  });

  test('ollama: a model that is not there can be pulled', async () => {
    expect(await fail('ollama', sendJson(404, { error: "model 'm-1' not found" }))).toMatchObject({
      code: 'unknown_model',
      hint: 'Run `ollama pull m-1`.',
    });
  });

  test('ollama: a malformed line in the middle breaks the answer instead of leaving a hole', async () => {
    const lines = wires.ollama.text(['a', 'b'], counts).toSpliced(1, 1, '{"message": \n');
    expect(await fail('ollama', sendEvents(wires.ollama.contentType, lines))).toMatchObject({ retryable: true });
  });

  test('openai: the refused field is named', async () => {
    const error = {
      message: 'Unsupported parameter',
      type: 'invalid_request_error',
      param: 'temperature',
      code: 'unsupported_parameter',
    };
    expect((await fail('openai', sendJson(400, { error }))).message).toContain('"temperature"');
  });

  test.each<[string, ErrorCode]>([
    ['invalid_image_url', 'invalid_request'],
    ['image_too_large', 'invalid_request'],
    ['failed_to_download_image', 'invalid_request'],
    ['image_content_policy_violation', 'content_filtered'],
    ['data_residency_mismatch', 'permission'],
    ['server_error', 'server_error'],
  ])('openai: what a response failed of within the stream: %s', async (word, code) => {
    const error = { code: word, message: 'what OpenAI says of it' };
    const event = { type: 'response.failed', response: { status: 'failed', output: [], error } };
    const reply = sendEvents('text/event-stream', [`data: ${JSON.stringify(event)}\n\n`]);
    expect(await fail('openai', reply)).toMatchObject({ code, retryable: code === 'server_error' });
  });

  const tooLarge = (message: string) => ({ error: { message, type: 'tokens', code: 'rate_limit_exceeded' } });
  const ofOpenAi = tooLarge(
    'Request too large for m-1 in organization org-1 on tokens per min (TPM): Limit 30000, Requested 61337. The input or output tokens must be reduced in order to run successfully.',
  );
  const ofGroq = tooLarge(
    'Request too large for model `m-1` in organization `org_1` service tier `on_demand` on tokens per minute (TPM): Limit 30000, Requested 61337, please reduce your message size and try again.',
  );

  test.each<[string, ProviderKind, Answer]>([
    ['OpenAI', 'openai', sendJson(429, ofOpenAi, { 'retry-after': '7' })],
    ['Groq', 'openai-compatible', sendJson(413, ofGroq)],
    [
      'OpenAI, within the stream',
      'openai',
      sendEvents('text/event-stream', [
        `data: ${JSON.stringify({ type: 'response.failed', response: { status: 'failed', output: [], ...ofOpenAi } })}\n\n`,
      ]),
    ],
  ])('a request larger than the tokens of a minute never fits: nobody waits for it (%s)', async (_who, kind, reply) => {
    const error = await fail(kind, reply);
    expect(error).toMatchObject({ code: 'rate_limited', retryable: false, retryAfterMs: undefined });
    expect(error.message).toContain('61,337 tokens where 30,000 fit');
    expect(error.hint).toContain('Shorten');
  });

  test('openai: a request that fits a minute, only not this one, is waited for', async () => {
    const message = 'Rate limit reached for m-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.';
    const error = await fail('openai', sendJson(429, tooLarge(message), { 'retry-after': '7' }));
    expect(error).toMatchObject({ code: 'rate_limited', retryable: true, retryAfterMs: 7_000, appliesTo: 'model' });
    expect(error.message).not.toContain('30');
  });

  test.each<[string, ProviderKind, number, object]>([
    ['OpenAI: another organisation’s', 'openai', 400, { error: { code: 'invalid_encrypted_content', message: 'no' } }],
    [
      'OpenAI: a model that does not reason',
      'openai',
      400,
      { error: { message: 'Reasoning input items can only be provided to a reasoning or computer use model.' } },
    ],
    [
      'Groq',
      'openai-compatible',
      400,
      { error: { message: "'messages.1' : property 'reasoning_content' is unsupported", code: 'wrong_api_format' } },
    ],
    [
      'a server that takes no further fields',
      'openai-compatible',
      422,
      { detail: [{ loc: ['body', 'messages', 1, 'assistant', 'reasoning'], msg: 'Extra inputs are not permitted' }] },
    ],
    [
      'Anthropic: another model’s thoughts',
      'anthropic',
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'messages.1.content.0: Invalid `signature` in `thinking` block',
        },
      },
    ],
    [
      'Google: another model’s signature',
      'google',
      400,
      { error: { code: 400, status: 'INVALID_ARGUMENT', message: 'Corrupted thought signature.' } },
    ],
  ])(
    'what was kept with a tool call and is refused is told from other faults (%s)',
    async (_who, kind, status, body) => {
      expect(await fail(kind, sendJson(status, body))).toMatchObject({ code: 'invalid_request', refused: 'kept' });
    },
  );

  test.each([
    ['a setting for reasoning', "Unsupported parameter: 'reasoning.effort' is not supported with this model."],
    ['reasoning that is missed', 'The `reasoning_content` in the thinking mode must be passed back to the API.'],
  ])('openai-compatible: %s is not taken for that', async (_what, message) => {
    const error = await fail('openai-compatible', sendJson(400, { error: { message } }));
    expect(error).toMatchObject({ code: 'invalid_request', refused: undefined });
  });

  test('openai: an error event without a name is a failure', async () => {
    const event = 'data: {"type":"error","code":"rate_limit_exceeded","message":"slow"}\n\n';
    expect(await fail('openai', sendEvents('text/event-stream', [event]))).toMatchObject({ code: 'rate_limited' });
  });
});
