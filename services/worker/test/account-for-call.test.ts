import { createTokenEstimator, loadCatalog } from '@aimm/catalog';
import { type ErrorCode, type GenerationRequest, ModelManagerError } from '@aimm/contracts';
import type { ModelProvider, StreamPart } from '@aimm/providers';
import { describe, expect, test } from 'vitest';
import { accountForCall } from '../src/account-for-call.ts';
import { makeCall } from '../src/make-call.ts';

const at = Date.UTC(2026, 10, 22);
const { catalog } = loadCatalog({ env: {}, now: () => at });
const tokens = createTokenEstimator();

const request = (model: string): GenerationRequest => ({
  model,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'four words of prompt' }] }],
  settings: {},
});

/** A provider that says these parts and then ends, or breaks. */
function say(parts: readonly StreamPart[], code?: ErrorCode): Pick<ModelProvider, 'stream'> {
  return {
    async *stream() {
      yield* parts;
      if (code !== undefined) throw new ModelManagerError(code, 'broken');
    },
  };
}

async function account(parts: readonly StreamPart[], code?: ErrorCode, name = 'anthropic/claude-haiku-4-5') {
  const [provider = '', model = ''] = name.split('/');
  const asked = request(model);
  // `makeCall` needs nothing else of a provider.
  const report = await makeCall(say(parts, code) as ModelProvider, asked, {
    signal: new AbortController().signal,
    timeoutMs: 1_000,
    onText: () => undefined,
    onReasoning: () => undefined,
  });
  return accountForCall({ provider, request: asked }, at, report, { catalog, tokens });
}

const text = (length: number): StreamPart => ({ type: 'text', text: 'x'.repeat(length) });

describe('a call that breaks', () => {
  test.each<[ErrorCode, number | null]>([
    ['network', null],
    ['timeout', null],
    ['cancelled', null],
    ['server_error', null],
    ['rate_limited', 0],
    ['authentication', 0],
  ])('before anything came has no counts, and after %s costs %j', async (code, costNanoUsd) => {
    expect(await account([], code)).toMatchObject({ usage: {}, costNanoUsd });
    expect(await account([{ type: 'served', answeredBy: 'claude-haiku-4-5' }], code)).toMatchObject({ usage: {} });
  });

  test.each<ErrorCode>(['network', 'timeout', 'cancelled', 'server_error', 'rate_limited'])(
    'costs nothing on the user’s own machine, whatever it broke of: %s',
    async (code) => {
      expect(await account([], code, 'ollama/llama3.2')).toMatchObject({ usage: {}, costNanoUsd: 0 });
    },
  );

  test('after text without counts: prompt and text are estimated, marked so, and priced by that', async () => {
    const { usage, costNanoUsd } = await account([text(300)], 'network');
    // By bytes, as no vocabulary is loaded here; Anthropic makes a third more of them.
    expect(usage).toEqual({ inputTokens: 11, outputTokens: 100, estimated: true });
    expect(costNanoUsd).toBe(11 * 1_000 + 100 * 5_000);
  });

  test('after counts: they are what it is billed by', async () => {
    const counted = { inputTokens: 50, outputTokens: 7, cacheReadTokens: 20 };
    const { usage, costNanoUsd } = await account([text(300), { type: 'usage', usage: counted }], 'cancelled');
    expect(usage).toEqual(counted);
    expect(costNanoUsd).toBe(30 * 1_000 + 20 * 100 + 7 * 5_000);
  });

  test('between counts: what the vendor counted stays, what it wrote since is estimated', async () => {
    const early: StreamPart = { type: 'usage', usage: { inputTokens: 50, outputTokens: 1, cacheReadTokens: 20 } };
    expect((await account([early, text(300)], 'network')).usage).toEqual({
      inputTokens: 50,
      outputTokens: 100,
      cacheReadTokens: 20,
      estimated: true,
    });
    expect((await account([early], 'network')).usage).toEqual(early.usage);
  });

  describe('with its prompt counted and nothing of its answer', () => {
    const prompt: StreamPart = { type: 'usage', usage: { inputTokens: 50, cacheReadTokens: 20 } };

    test.each<ErrorCode>(['cancelled', 'timeout'])(
      'has an unknown cost after %s: the model may have thought until then',
      async (code) => {
        expect(await account([prompt], code)).toMatchObject({ usage: prompt.usage, costNanoUsd: null });
        expect(await account([prompt], code, 'anthropic/claude-next')).toMatchObject({ costNanoUsd: null });
        expect(await account([prompt], code, 'ollama/llama3.2')).toMatchObject({ costNanoUsd: 0 });
      },
    );

    test('costs its prompt at the least, and is marked so, where nobody thinks unseen or the vendor gave up', async () => {
      const usage = { ...prompt.usage, estimated: true };
      expect(await account([prompt], 'network')).toMatchObject({ usage, costNanoUsd: 30 * 1_000 + 20 * 100 });
      const spoken = await account([prompt], 'cancelled', 'openai/gpt-4o-mini');
      expect(spoken).toMatchObject({ usage, costNanoUsd: 30 * 150 + 20 * 75 });
    });

    test('has what came estimated, also where the prompt was counted again since', async () => {
      const { usage } = await account([text(300), prompt], 'timeout');
      expect(usage).toEqual({ ...prompt.usage, outputTokens: 100, estimated: true });
    });
  });

  test('reasoning and tool calls count as written, too', async () => {
    const call: StreamPart = { type: 'tool_call', call: { type: 'tool_call', id: '1', name: 'look', arguments: {} } };
    const { usage } = await account([{ type: 'reasoning', text: 'y'.repeat(300) }, call], 'timeout');
    expect(usage.outputTokens).toBeGreaterThan(100);
    expect(usage.estimated).toBe(true);
  });

  test('is priced by the model and tier that were answering', async () => {
    const parts: StreamPart[] = [
      { type: 'served', answeredBy: 'gpt-5-mini-2025-08-07', serviceTier: 'flex' },
      { type: 'usage', usage: { inputTokens: 1_000, outputTokens: 0 } },
    ];
    expect(await account(parts, 'server_error', 'openai/gpt-5')).toMatchObject({
      answeredBy: 'gpt-5-mini-2025-08-07',
      costNanoUsd: 1_000 * 125,
      priceVersion: expect.stringMatching(/^genai-prices@0\.1\.8 with models\.json@\S+ \(flex\)$/),
    });
  });
});

describe('a call that ends well', () => {
  const finish = (more: object): StreamPart => ({
    type: 'finish',
    finishReason: { unified: 'stop' },
    usage: {},
    ...more,
  });

  test('has the vendor’s counts, and none where it gave none', async () => {
    expect((await account([text(9), finish({ usage: { inputTokens: 5, outputTokens: 2 } })])).usage).toEqual({
      inputTokens: 5,
      outputTokens: 2,
    });
    expect(await account([text(9), finish({})])).toMatchObject({ usage: {}, costNanoUsd: null });
  });

  test('warns where the price of its tier is unknown, in place of a wrong cost', async () => {
    const usage = { inputTokens: 5, outputTokens: 2 };
    const { costNanoUsd, warnings } = await account([finish({ usage, serviceTier: 'priority' })]);
    expect(costNanoUsd).toBeNull();
    expect(warnings).toEqual([
      { code: 'unknown_price', message: expect.stringContaining('the service tier "priority"') },
    ]);
  });
});
