import { randomUUID } from 'node:crypto';
import type { GenerateAsk, ProgressEvent } from '@aimm/manager';
import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { caller, operator, toMessages } from '../support/asker.ts';
import { createConfigWith } from '../support/configured.ts';
import { startCrowd } from '../support/crowd.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-medium-3-5';
const ask = (text: string, more: Partial<GenerateAsk> = {}): GenerateAsk => ({
  model,
  settings: {},
  cache: true,
  ...more,
  messages: toMessages(text),
});

/** Every call waits until the test says so. */
function holdCalls({ upstream }: FaultStack): void {
  upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
}

async function openFrontWith({ env }: FaultStack, configDir: string) {
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });
  const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '' } = env;
  const front = await createManager({ redisUrl, databaseUrl, configDir, raw: env, logger });
  onTestFinished(() => front.close());
  return front;
}

const readTotals = async (stack: FaultStack) => {
  const { ledger } = await stack.database();
  return (await ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals;
};

test('a hundred identical requests at once from two processes make one call', async () => {
  const stack = await createFaultStack();
  holdCalls(stack);
  await stack.startWorker();
  const crowds = await Promise.all([startCrowd(stack.env), startCrowd(stack.env)]);
  const runs = crowds.map((crowd, half) =>
    crowd.ask({
      asks: Array.from({ length: 50 }, (_, index) => ({
        client: `client-${half}-${index}`,
        text: 'the same for all',
        model,
        cache: true,
      })),
    }),
  );
  const asked = (await Promise.all(runs.map((run) => run.asked))).flat();
  expect(new Set(asked.map((one) => ('requestId' in one ? one.requestId : one.error.code))).size).toBe(100);
  await stack.upstream.arrived(1);
  stack.upstream.release();
  const ended = (await Promise.all(runs.map((run) => run.ended))).flat();
  const results = ended.flatMap((one) => ('result' in one ? [one.result] : []));
  expect(results.map(({ text }) => text)).toEqual(Array.from({ length: 100 }, () => 'echo: the same for all'));
  expect(stack.upstream.calls).toHaveLength(1);
  const [paid, ...others] = results.toSorted((a, b) => b.calls - a.calls);
  expect(paid).toMatchObject({ cached: false, calls: 1 });
  expect(paid?.costNanoUsd).toBeGreaterThan(0);
  expect(new Set(others.map(({ cached, calls, costNanoUsd }) => `${cached} ${calls} ${costNanoUsd}`))).toEqual(
    new Set(['true 0 0']),
  );
  expect(new Set(results.map(({ requestId }) => requestId))).toEqual(
    new Set(asked.map((one) => ('requestId' in one ? one.requestId : ''))),
  );

  await expect
    .poll(() => readTotals(stack), { timeout: 10_000 })
    .toMatchObject({
      requests: 100,
      calls: 1,
      cached: 99,
      succeeded: 1,
      inputTokens: 10,
      costNanoUsd: paid?.costNanoUsd,
    });
  const { ledger } = await stack.database();
  for (const { requestId, cached } of others) {
    const rows = await ledger.findByRequest(requestId);
    expect(rows).toMatchObject([{ callNumber: 1, cached, status: 'succeeded', costNanoUsd: 0, inputTokens: 10 }]);
  }
  const front = await stack.openFront();
  const some = others[0]?.requestId ?? '';
  expect(await front.getJob({ client: 'root', admin: true }, some)).toMatchObject({
    requestId: some,
    status: 'succeeded',
    generation: { requestId: some, text: 'echo: the same for all', cached: true, costNanoUsd: 0 },
  });
  const again = await (await front.generate(caller, ask('the same for all'))).result;
  expect(again).toMatchObject({ cached: true, text: 'echo: the same for all' });
  await expect.poll(() => readTotals(stack)).toMatchObject({ requests: 101, calls: 1, cached: 100 });
});

test('who waits for the call of another still gets an answer when that one is cancelled: waiting or running', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '1' } });
  holdCalls(stack);
  await stack.startWorker();
  const [one, other] = await Promise.all([stack.openFront(), stack.openFront()]);
  const running = await one.generate(caller, ask('cancelled while it runs'));
  await stack.upstream.arrived(1);
  const first = await other.generate(caller, ask('cancelled while it runs'));
  const second = await one.generate(caller, ask('cancelled while it runs'));
  const waiting = await one.generate(caller, ask('cancelled while it waits'));
  const third = await other.generate(caller, ask('cancelled while it waits'));
  expect(await other.getJob(caller, third.requestId)).toMatchObject({ status: 'queued', position: 1 });
  expect(await other.getJob(caller, first.requestId)).toMatchObject({ status: 'running' });

  stack.upstream.behave(echo);
  await one.cancelJob(caller, waiting.requestId);
  await expect(waiting.result).rejects.toMatchObject({ code: 'cancelled' });
  await one.cancelJob(caller, running.requestId);
  await expect(running.result).rejects.toMatchObject({ code: 'cancelled' });
  const answers = await Promise.all([first.result, second.result, third.result]);
  expect(answers.map(({ text, cached }) => `${text}, ${cached}`)).toEqual([
    'echo: cancelled while it runs, false',
    'echo: cancelled while it runs, true',
    'echo: cancelled while it waits, false',
  ]);
  expect(stack.upstream.calls.map(({ prompt }) => prompt).toSorted()).toEqual([
    'cancelled while it runs',
    'cancelled while it runs',
    'cancelled while it waits',
  ]);
  expect(await other.getJob(caller, running.requestId)).toMatchObject({ status: 'cancelled' });
});

test('who cancels while waiting for the call of another ends nothing but its own request', async () => {
  const stack = await createFaultStack();
  holdCalls(stack);
  await stack.startWorker();
  const front = await stack.openFront();
  const leading = await front.generate(caller, ask('goes on'));
  await stack.upstream.arrived(1);
  const aborted = new AbortController();
  const [byId, bySignal] = [
    await front.generate(caller, ask('goes on')),
    await front.generate(caller, ask('goes on'), { signal: aborted.signal }),
  ];
  expect(await front.cancelJob(caller, byId.requestId)).toMatchObject({ status: 'cancelled' });
  aborted.abort();
  await expect(byId.result).rejects.toMatchObject({ code: 'cancelled' });
  await expect(bySignal.result).rejects.toMatchObject({ code: 'cancelled' });
  stack.upstream.release();
  expect((await leading.result).text).toBe('echo: goes on');
  expect(stack.upstream.calls).toHaveLength(1);
  await expect.poll(() => readTotals(stack)).toMatchObject({ requests: 1, calls: 1, cached: 0 });
});

test('what the provider says is everybody’s, also when it is a failure; and no failure is kept', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave(async (_call, { held, fail }) => {
    await held;
    fail(400, { message: 'no' });
  });
  await stack.startWorker();
  const front = await stack.openFront();
  const leading = await front.generate(caller, ask('refused'));
  await stack.upstream.arrived(1);
  const following = await front.generate(caller, ask('refused'));
  stack.upstream.release();
  const failures = await Promise.allSettled([leading.result, following.result]);
  expect(
    failures.map((end) => (end.status === 'rejected' ? (end.reason as { code: string }).code : end.status)),
  ).toEqual(['invalid_request', 'invalid_request']);
  expect(await front.getJob(caller, following.requestId)).toMatchObject({
    status: 'failed',
    error: { code: 'invalid_request' },
  });
  expect(stack.upstream.calls).toHaveLength(1);
  stack.upstream.behave(echo);
  expect(await (await front.generate(caller, ask('refused'))).result).toMatchObject({ cached: false });
});

test('an answer that was cut off is shared with those who waited, and not kept', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave(async (call, { held, response, write }) => {
    await held;
    write(`half of ${call.prompt}`);
    const end = { id: 'x', object: 'chat.completion.chunk', created: 1, model: call.model };
    const choices = [{ index: 0, delta: { content: '' }, finish_reason: 'length' }];
    response.end(
      `data: ${JSON.stringify({ ...end, choices, usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } })}\n\ndata: [DONE]\n\n`,
    );
  });
  await stack.startWorker();
  const front = await stack.openFront();
  const leading = await front.generate(caller, ask('too long'));
  await stack.upstream.arrived(1);
  const following = await front.generate(caller, ask('too long'));
  stack.upstream.release();
  expect(await leading.result).toMatchObject({ cached: false, finishReason: { unified: 'length' } });
  expect(await following.result).toMatchObject({ cached: true, text: 'half of too long' });
  stack.upstream.behave(echo);
  expect(await (await front.generate(caller, ask('too long'))).result).toMatchObject({ cached: false });
});

test('a follower that would not wait so long is let go, and one with other fallbacks makes a call of its own', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '1' } });
  holdCalls(stack);
  await stack.startWorker();
  const front = await stack.openFront();
  const busy = await front.generate(caller, ask('busy'));
  await stack.upstream.arrived(1);
  const leading = await front.generate(caller, ask('in line'));
  const impatient = await front.generate(caller, ask('in line', { maxWaitMs: 300 }));
  await expect(impatient.result).rejects.toMatchObject({ code: 'timeout' });
  const apart = await front.generate(caller, ask('in line', { fallbacks: ['mistral/mistral-small-latest'] }));
  stack.upstream.behave(echo);
  stack.upstream.release();
  const answers = await Promise.all([busy.result, leading.result, apart.result]);
  expect(answers.map(({ cached }) => cached)).toEqual([false, false, false]);
  expect(stack.upstream.calls).toHaveLength(3);
});

test('requests with temperature 0 are shared and kept by the rule, unless they say otherwise', async () => {
  const configDir = createConfigWith({ routing: { cache: { temperatureZero: true, ttlSeconds: 60 } } });
  const stack = await createFaultStack({ env: { AIMM_CONFIG_DIR: configDir } });
  await stack.startWorker();
  const front = await openFrontWith(stack, configDir);
  const cached = async (settings: GenerateAsk['settings'], more: Partial<GenerateAsk> = {}) => {
    const { cache: _cache, ...asked } = ask('by rule');
    return (await (await front.generate(caller, { ...asked, settings, ...more })).result).cached;
  };
  expect(await cached({ temperature: 0 })).toBe(false);
  expect(await cached({ temperature: 0 })).toBe(true);
  expect(await cached({ temperature: 0 }, { cache: false })).toBe(false);
  expect(await cached({ temperature: 0.1 })).toBe(false);
  expect(await cached({ temperature: 0.1 })).toBe(false);
  expect(await cached({})).toBe(false);
  // Answers are kept for as long as the rule says.
  const redis = stack.redis.client();
  const [key = ''] = await redis.keys('{aimm}:cache:*');
  expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000);
  await redis.pexpire(key, 1);
  await expect.poll(() => redis.exists(key), { timeout: 5_000 }).toBe(0);
  expect(await cached({ temperature: 0 })).toBe(false);
});

test('budgets are asked only for the one call that many share', async () => {
  const budgets = [{ name: 'one', limitUsd: 0.02, period: 'day' }];
  const configDir = createConfigWith({ providers: { budgets } });
  const stack = await createFaultStack({ env: { AIMM_CONFIG_DIR: configDir } });
  holdCalls(stack);
  await stack.startWorker();
  const front = await openFrontWith(stack, configDir);
  // Of two calls that may be as long as this, only one has room.
  const settings = { maxOutputTokens: 1_500 };
  const asked = await Promise.all(
    Array.from({ length: 20 }, () => front.generate(caller, ask('shared', { settings }))),
  );
  await stack.upstream.arrived(1);
  await expect(front.generate(caller, ask('another', { settings }))).rejects.toMatchObject({ code: 'budget_exceeded' });
  stack.upstream.release();
  await Promise.all(asked.map(({ result }) => result));
  expect(stack.upstream.calls).toHaveLength(1);
  expect((await front.health(operator, { provider: 'mistral' })).budgets).toMatchObject([
    { name: 'one', heldNanoUsd: 0 },
  ]);
});

test('an answer too long to be sent reaches those who wait for it all the same', async () => {
  const stack = await createFaultStack();
  holdCalls(stack);
  await stack.startWorker();
  const front = await stack.openFront();
  const text = 'long '.repeat(20_000);
  const leading = await front.generate(caller, ask(text));
  await stack.upstream.arrived(1);
  const following = await front.generate(caller, ask(text));
  stack.upstream.release();
  const answers = await Promise.all([leading.result, following.result]);
  expect(answers.map((answer) => [answer.text.length, answer.cached, answer.requestId])).toEqual([
    [text.length + 6, false, leading.requestId],
    [text.length + 6, true, following.requestId],
  ]);
});

test('a request that was answered from the cache can be read by its id', async () => {
  const stack = await createFaultStack();
  await stack.startWorker();
  const front = await stack.openFront();
  const text = `read ${randomUUID()}`;
  await (
    await front.generate(caller, ask(text))
  ).result;
  const events: ProgressEvent[] = [];
  const hit = await front.generate(caller, ask(text), { onProgress: (event) => events.push(event) });
  expect(await front.getJob(caller, hit.requestId)).toMatchObject({
    requestId: hit.requestId,
    status: 'succeeded',
    generation: { text: `echo: ${text}`, cached: true },
  });
  await expect(front.getJob({ client: 'other', admin: false }, hit.requestId)).rejects.toMatchObject({
    code: 'invalid_request',
  });
  expect(await front.cancelJob(caller, hit.requestId)).toMatchObject({ status: 'succeeded' });
});
