import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds, type StreamPart } from '../src/index.ts';
import { ask, createTestProvider, failureOf, patient } from './support/providers.ts';
import { type Answer, sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const counts = { input: 100, output: 30, cacheRead: 0, reasoning: 0 };

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());

/** The parts of a call that breaks, and what it broke with. */
async function breakCall(kind: ProviderKind, answer: Answer) {
  vendor.answer = answer;
  const parts: StreamPart[] = [];
  const error = await failureOf(
    (async () => {
      for await (const part of createTestProvider(kind, vendor.url).stream(ask('hi'), patient())) parts.push(part);
    })(),
  );
  return { parts, error };
}

describe('the service tier that answered', () => {
  const withTier = (kind: ProviderKind, pattern: RegExp, fields: string): Answer =>
    sendEvents(
      wires[kind].contentType,
      wires[kind].text(['ok'], counts).map((event) => event.replace(pattern, `$&${fields}`)),
    );
  const generate = (kind: ProviderKind, answer: Answer) => {
    vendor.answer = answer;
    return createTestProvider(kind, vendor.url).generate(ask('hi', { serviceTier: 'auto' }), patient());
  };

  test.each<[string, ProviderKind, RegExp, string, string]>([
    ['openai', 'openai', /"response":\{/, '"service_tier":"priority",', 'priority'],
    ['openai-compatible', 'openai-compatible', /^data: \{/, '"service_tier":"on_demand",', 'on_demand'],
    ['anthropic', 'anthropic', /"message":\{.*"usage":\{/, '"service_tier":"priority",', 'priority'],
    ['anthropic, fast mode', 'anthropic', /"usage":\{/, '"service_tier":"standard","speed":"fast",', 'fast'],
    ['google, among the counts', 'google', /"usageMetadata":\{/, '"serviceTier":"flex",', 'flex'],
  ])('%s', async (_name, kind, pattern, fields, serviceTier) => {
    expect(await generate(kind, withTier(kind, pattern, fields))).toMatchObject({ text: 'ok', serviceTier });
  });

  test('google, in a header', async () => {
    const answer: Answer = (response, request) => {
      response.setHeader('x-gemini-service-tier', 'standard');
      sendEvents(wires.google.contentType, wires.google.text(['ok'], counts))(response, request);
    };
    expect(await generate('google', answer)).toMatchObject({ text: 'ok', serviceTier: 'standard' });
  });

  test.each(kinds)('%s: absent where the vendor does not say', async (kind) => {
    const response = await generate(kind, sendEvents(wires[kind].contentType, wires[kind].text(['ok'], counts)));
    expect(response).not.toHaveProperty('serviceTier');
  });

  test('openai: of a tier that was asked for and one that answered, the one that answered', async () => {
    const created = `event: response.created\ndata: ${JSON.stringify({
      type: 'response.created',
      response: { id: 'resp_1', model: 'm-1-dated', service_tier: 'priority' },
    })}\n\n`;
    const events = wires.openai
      .text(['ok'], counts)
      .map((event) => event.replace('"response":{', '$&"service_tier":"default",'));
    expect(await generate('openai', sendEvents(wires.openai.contentType, [created, ...events]))).toMatchObject({
      serviceTier: 'default',
    });
  });
});

describe('of a call that breaks', () => {
  const early: Partial<Record<ProviderKind, string[]>> = {
    openai: [
      `event: response.created\ndata: ${JSON.stringify({ type: 'response.created', response: { id: 'resp_1', model: 'm-1-dated' } })}\n\n`,
    ],
  };

  test.each(kinds)('%s: the model that was answering is known', async (kind) => {
    const wire = wires[kind];
    const events = [...(early[kind] ?? []), ...wire.text(['Hel'], counts).slice(0, -wire.endEvents)];
    const { parts, error } = await breakCall(kind, sendEvents(wire.contentType, events, 'cut'));
    expect(error.code).toBe('network');
    expect(parts).toContainEqual({ type: 'served', answeredBy: 'm-1-dated' });
    expect(parts).toContainEqual({ type: 'text', text: 'Hel' });
  });

  const usage = { inputTokens: 90, outputTokens: 12, reasoningTokens: 12, totalTokens: 102 };
  /** The Responses API's last event, with its counts. */
  const lastEvent = (status: string, more: object) => {
    const type = `response.${status}`;
    const response = {
      id: 'resp_1',
      model: 'm-1-dated',
      service_tier: 'flex',
      status,
      output: [],
      usage: { input_tokens: 90, output_tokens: 12, output_tokens_details: { reasoning_tokens: 12 } },
      ...more,
    };
    return sendEvents('text/event-stream', [`event: ${type}\ndata: ${JSON.stringify({ type, response })}\n\n`]);
  };

  test('openai: what a response that failed was counted as is known', async () => {
    const failed = lastEvent('failed', { error: { code: 'server_error', message: 'oops' } });
    const { parts, error } = await breakCall('openai', failed);
    expect(error).toMatchObject({ code: 'server_error', retryable: true });
    expect(parts).toEqual([
      { type: 'served', answeredBy: 'm-1-dated', serviceTier: 'flex' },
      { type: 'usage', usage },
    ]);
  });

  test('openai: a response that is incomplete is counted, too', async () => {
    vendor.answer = lastEvent('incomplete', { incomplete_details: { reason: 'max_output_tokens' } });
    expect(await createTestProvider('openai', vendor.url).generate(ask('hi'), patient())).toMatchObject({
      usage,
      finishReason: { unified: 'length' },
      serviceTier: 'flex',
    });
  });

  test.each(['openai-compatible', 'mistral'] as const)('%s: an end named error is no answer', async (kind) => {
    const failed = {
      id: 'c-1',
      object: 'chat.completion.chunk',
      model: 'm-1-dated',
      choices: [{ index: 0, delta: {}, finish_reason: 'error' }],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    };
    const wire = wires[kind];
    const events = [...wire.text(['Hel'], counts).slice(0, -wire.endEvents), `data: ${JSON.stringify(failed)}\n\n`];
    const { parts, error } = await breakCall(kind, sendEvents(wire.contentType, events));
    expect(error).toMatchObject({ code: 'server_error', retryable: true });
    expect(parts).toContainEqual({ type: 'usage', usage: { inputTokens: 5, outputTokens: 2, totalTokens: 7 } });
  });
});

describe('reasoning that OpenAI sums up', () => {
  test('comes as reasoning, a paragraph for each part', async () => {
    const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    vendor.answer = sendEvents('text/event-stream', [
      event('response.reasoning_summary_part.added', { summary_index: 0 }),
      event('response.reasoning_summary_text.delta', { summary_index: 0, delta: 'First I look.' }),
      event('response.reasoning_summary_part.added', { summary_index: 1 }),
      event('response.reasoning_summary_text.delta', { summary_index: 1, delta: 'Then I say.' }),
      ...wires.openai.text(['Hello'], counts),
    ]);
    const provider = createTestProvider('openai', vendor.url, {
      describeModel: () => ({
        provider: 'openai',
        id: 'm-1',
        source: 'catalog',
        quirks: { reasoningSummary: 'auto' },
      }),
    });
    expect(await provider.generate(ask('hi'), patient())).toMatchObject({
      reasoning: 'First I look.\n\nThen I say.',
      text: 'Hello',
    });
    expect(vendor.received.at(-1)?.body).toMatchObject({ reasoning: { summary: 'auto' } });
  });
});
