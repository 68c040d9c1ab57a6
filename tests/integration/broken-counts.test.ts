import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, me, startSystem, type System } from '../support/system.ts';
import { type Behaviour, startUpstream, type Upstream } from '../support/upstream.ts';

let vendor: Upstream;
let system: System;
beforeAll(async () => {
  vendor = await startUpstream();
  system = await startSystem({
    OPENAI_API_KEY: 'a-key-of-its-own-0123456789',
    OPENAI_BASE_URL: `${vendor.url}/v1`,
    ANTHROPIC_API_KEY: 'a-key-of-its-own-0123456789',
    ANTHROPIC_BASE_URL: vendor.url,
    OPENAI_RPM: '10000000',
    ANTHROPIC_RPM: '10000000',
  });
});
afterAll(async () => {
  await system.close();
  await vendor.stop();
});

/** Events by name, then the end of the line, or an answer that is held for ever. */
const stream =
  (events: [string, object][], then: 'end' | 'hold'): Behaviour =>
  (_call, { response, held }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [type, fields] of events) {
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
    }
    if (then === 'hold') return held;
    response.end();
  };

async function totalsOf(tag: string) {
  const read = () => system.manager.usage(me, { from: 0, to: Date.now() + 1_000, tag });
  await expect.poll(async () => (await read()).totals.calls).toBeGreaterThan(0);
  return (await read()).totals;
}

test('a response that OpenAI counted and then failed is in the ledger with its counts and their cost', async () => {
  const response = {
    id: 'resp_1',
    model: 'gpt-5-mini-2025-08-07',
    service_tier: 'flex',
    status: 'failed',
    error: { code: 'invalid_prompt', message: 'no' },
    output: [],
    usage: { input_tokens: 1_000, output_tokens: 100 },
  };
  vendor.behave(stream([['response.failed', { response }]], 'end'));
  const { result } = await system.manager.generate(me, {
    ...ask('refused'),
    model: 'openai/gpt-5-mini',
    tags: ['failed'],
  });
  await expect(result).rejects.toMatchObject({ code: 'content_filtered' });
  expect(await totalsOf('failed')).toMatchObject({
    calls: 1,
    failed: 1,
    inputTokens: 1_000,
    outputTokens: 100,
    // 0.25 and 2 dollars a million, half of it.
    costNanoUsd: (1_000 * 250 + 100 * 2_000) / 2,
  });
});

test('a cancelled answer has what Anthropic counted of the prompt, and an estimate of what it had written', async () => {
  const message = {
    id: 'msg_1',
    model: 'claude-haiku-4-5-20251001',
    role: 'assistant',
    content: [],
    usage: { input_tokens: 1_000, output_tokens: 1 },
  };
  const delta = { type: 'text_delta', text: 'one two three four five six seven eight nine ten '.repeat(30) };
  vendor.behave(
    stream(
      [
        ['message_start', { message }],
        ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
        ['content_block_delta', { index: 0, delta }],
      ],
      'hold',
    ),
  );
  const told = Promise.withResolvers<void>();
  const { requestId, result } = await system.manager.generate(
    me,
    { ...ask('cancelled later'), model: 'anthropic/claude-haiku-4-5', tags: ['cancelled'] },
    { onProgress: ({ type }) => void (type === 'text' && told.resolve()) },
  );
  await told.promise;
  await Promise.all([
    expect(result).rejects.toMatchObject({ code: 'cancelled' }),
    system.manager.cancelJob(me, requestId),
  ]);
  const totals = await totalsOf('cancelled');
  expect(totals).toMatchObject({ cancelled: 1, inputTokens: 1_000 });
  // 300 words; not the one token that Anthropic begins to count with.
  expect(totals.outputTokens).toBeGreaterThan(300);
  expect(totals.outputTokens).toBeLessThan(600);
  expect(totals.costNanoUsd).toBe(1_000 * 1_000 + totals.outputTokens * 5_000);
});
