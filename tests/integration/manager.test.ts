import type { ProgressEvent } from '@aimm/manager';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ask, me, startSystem, type System } from '../support/system.ts';
import { operator } from '../support/asker.ts';
import { echo } from '../support/upstream.ts';

const small = 'mistral/mistral-small-latest';
const large = 'mistral/mistral-large-latest';
let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());
afterEach(() => system.upstream.behave(echo));

const promptsOf = (marker: string) => system.upstream.calls.filter(({ prompt }) => prompt.includes(marker));

describe('a generation', () => {
  test('is answered, priced, timed and counted once', async () => {
    const { result, requestId } = await system.manager.generate(me, {
      ...ask('counted once'),
      model: 'mistral/mistral-medium-3-5',
    });
    const answer = await result;
    expect(answer).toMatchObject({
      requestId,
      provider: 'mistral',
      text: expect.stringContaining('counted once'),
      usage: { inputTokens: 10, outputTokens: 5 },
      calls: 1,
      cached: false,
    });
    expect(answer.costNanoUsd).toBeGreaterThan(0);
    await expect
      .poll(() => system.manager.usage(me, { from: 0, to: Date.now() + 1_000, model: 'mistral-medium-3-5' }))
      .toMatchObject({
        totals: { requests: 1, calls: 1, inputTokens: 10, outputTokens: 5, costNanoUsd: answer.costNanoUsd },
      });
  });

  test('streams its text as it comes', async () => {
    system.upstream.behave(async (_call, { write, held, finish }) => {
      write('first, ');
      await held;
      write('second');
      finish();
    });
    const events: ProgressEvent[] = [];
    const seen = Promise.withResolvers<void>();
    const { result } = await system.manager.generate(
      me,
      { ...ask('a stream'), model: small },
      {
        onProgress(event) {
          events.push(event);
          if (event.type === 'text') seen.resolve();
        },
      },
    );
    await seen.promise;
    expect(events.flatMap((event) => (event.type === 'text' ? [event.text] : []))).toEqual(['first, ']);
    system.upstream.release();
    expect((await result).text).toBe('first, second');
    expect(events[0]).toEqual({ type: 'started', provider: 'mistral', model: 'mistral-small-latest' });
  });

  test('without a model goes to the first configured provider and says so', async () => {
    const answer = await (await system.manager.generate(me, ask('no model'))).result;
    expect(answer.provider).toBe('mistral');
    expect(answer.warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('was chosen: the first configured provider'),
    );
  });

  test.each(['cheapest', 'fastest', 'balanced'] as const)(
    'with the route "%s" goes to a configured model and says why',
    async (route) => {
      const answer = await (await system.manager.generate(me, { ...ask('routed'), model: 'auto', route })).result;
      expect(answer.provider).toBe('mistral');
      expect(answer.warnings.map(({ message }) => message)).toContainEqual(
        expect.stringMatching(/was chosen: the (cheapest|fastest measured|first unmeasured|best)/),
      );
    },
  );

  test('of a model nobody knows names what resembles it, and calls nobody', async () => {
    const error = await system.manager
      .generate(me, { ...ask('unknown'), model: 'mistral-smal-latest' })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unknown_model', hint: expect.stringContaining('mistral-small-latest') });
    expect(promptsOf('unknown')).toEqual([]);
  });

  test('of a provider without a key names the variable to set', async () => {
    const error = await system.manager
      .generate(me, { ...ask('no key'), model: 'openai/gpt-5-mini' })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'authentication', hint: expect.stringContaining('OPENAI_API_KEY') });
  });

  test('belongs to its client: nobody else reads or cancels it', async () => {
    const { result, requestId } = await system.manager.generate(me, { ...ask('mine'), model: small });
    await result;
    const other = { client: 'other', admin: false };
    await expect(system.manager.getJob(other, requestId)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(system.manager.cancelJob(other, requestId)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await system.manager.getJob(me, requestId)).toMatchObject({ status: 'succeeded' });
    expect(await system.manager.getJob({ client: 'root', admin: true }, requestId)).toMatchObject({
      status: 'succeeded',
    });
  });
});

test('what a client has used is told to itself and to an admin, and nobody is given its own under the name of another', async () => {
  const span = { from: 0, to: Date.now() + 1_000 };
  const stranger = { client: 'stranger', admin: false };
  await expect(system.manager.usage(stranger, { ...span, client: me.client })).rejects.toMatchObject({
    code: 'permission',
  });
  expect((await system.manager.usage(stranger, { ...span, client: 'stranger' })).totals.calls).toBe(0);
  expect((await system.manager.usage(stranger, span)).totals.calls).toBe(0);
});

describe('fallbacks', () => {
  test('ask the next model under the same request when the first fails for good', async () => {
    system.upstream.behave((call, tools) => {
      if (call.model === 'mistral-small-latest')
        tools.fail(400, { message: 'This model cannot.', type: 'invalid_model', code: '1500' });
      else return echo(call, tools);
    });
    const { result, requestId } = await system.manager.generate(me, {
      ...ask('fall back'),
      model: small,
      fallbacks: [large],
    });
    const answer = await result;
    expect(answer).toMatchObject({ requestId, model: 'mistral-large-latest', fallbackFrom: small, calls: 2 });
    expect(answer.warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`${large} was asked instead`),
    );
    expect(await system.manager.getJob(me, requestId)).toMatchObject({ status: 'succeeded', model: large });
  });

  test('that all fail end with the last error', async () => {
    system.upstream.behave((_call, { fail }) => fail(401, { message: 'no' }));
    const { result } = await system.manager.generate(me, { ...ask('all fail'), model: small, fallbacks: [large] });
    await expect(result).rejects.toMatchObject({ code: 'authentication' });
    expect(promptsOf('all fail').map(({ model }) => model)).toEqual(['mistral-small-latest', 'mistral-large-latest']);
  });
});

describe('the cache', () => {
  test('answers the same request again without a call, when asked to', async () => {
    const same = { ...ask('cached please', { temperature: 0 }), model: small, cache: true };
    const first = await (await system.manager.generate(me, same)).result;
    await expect.poll(async () => (await (await system.manager.generate(me, same)).result).cached).toBe(true);
    const again = await (await system.manager.generate(me, same)).result;
    expect(again).toMatchObject({ text: first.text, cached: true, calls: 0, costNanoUsd: 0 });
    expect(again.requestId).not.toBe(first.requestId);
  });

  test('tells apart whatever changes the answer', async () => {
    const one = await (
      await system.manager.generate(me, { ...ask('told apart', { temperature: 0 }), model: small, cache: true })
    ).result;
    const other = await (
      await system.manager.generate(me, { ...ask('told apart', { temperature: 1 }), model: small, cache: true })
    ).result;
    expect([one.cached, other.cached]).toEqual([false, false]);
  });
});

describe('a conversation', () => {
  test('is started, and goes on with everything said before', async () => {
    const first = await (
      await system.manager.generate(me, { ...ask('my name is Ada'), model: small, saveConversation: true })
    ).result;
    expect(first.conversationId).toMatch(/^conv_/);
    const second = await (
      await system.manager.generate(me, {
        ...ask('what is my name?'),
        model: large,
        conversationId: first.conversationId,
      })
    ).result;
    expect(second.conversationId).toBe(first.conversationId);
    const sent = system.upstream.bodies.at(-1) ?? '';
    for (const said of ['my name is Ada', 'echo: ', 'what is my name?']) expect(sent).toContain(said);
  });

  test('of somebody else is not there', async () => {
    const { conversationId } = await (
      await system.manager.generate(me, { ...ask('private'), model: small, saveConversation: true })
    ).result;
    const thief = { client: 'thief', admin: false };
    await expect(
      system.manager.generate(thief, { ...ask('let me in'), model: small, conversationId }),
    ).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('takes one turn at a time: the second client is told at once whose turn it is, and nothing is asked for it', async () => {
    const { conversationId } = await (
      await system.manager.generate(me, { ...ask('start'), model: small, saveConversation: true })
    ).result;
    system.upstream.behave(async (call, tools) => {
      await tools.held;
      await echo(call, tools);
    });
    const left = await system.manager.generate(me, { ...ask('left side'), model: small, conversationId });
    await expect(
      system.manager.generate(me, { ...ask('right side'), model: small, conversationId }),
    ).rejects.toMatchObject({ code: 'invalid_request', hint: expect.stringContaining(`job_id ${left.requestId}`) });
    await expect.poll(() => promptsOf('left side').length).toBe(1);
    system.upstream.release();
    expect((await left.result).text).toContain('left side');
    system.upstream.behave(echo);
    const right = await system.manager.generate(me, { ...ask('right side'), model: small, conversationId });
    await right.result;
    expect(promptsOf('right side')).toHaveLength(1);
  });
});

describe('waiting', () => {
  test('shows the place in the queue, and max_wait ends it', async () => {
    const narrow = await startSystem({ MISTRAL_CONCURRENCY: '1' });
    try {
      narrow.upstream.behave(async (call, tools) => {
        await tools.held;
        await echo(call, tools);
      });
      const running = await narrow.manager.generate(me, { ...ask('runs'), model: small });
      await narrow.upstream.arrived(1);
      const events: ProgressEvent[] = [];
      const waiting = await narrow.manager.generate(
        me,
        { ...ask('waits'), model: small, maxWaitMs: 2_500 },
        { onProgress: (event) => events.push(event) },
      );
      await expect(waiting.result).rejects.toMatchObject({
        code: 'timeout',
        message: expect.stringContaining('max_wait_seconds'),
      });
      expect(events).toContainEqual(expect.objectContaining({ type: 'queued', position: 1, ahead: 0 }));
      expect(await narrow.manager.getJob(me, waiting.requestId)).toMatchObject({
        status: 'failed',
        error: { code: 'timeout' },
      });
      narrow.upstream.release();
      expect((await running.result).text).toContain('runs');
      expect(narrow.upstream.calls).toHaveLength(1);
    } finally {
      await narrow.close();
    }
  });
});

describe('a comparison', () => {
  test('joins what succeeded and what failed, in the order asked', async () => {
    const finished: string[] = [];
    const { result, requestId } = await system.manager.compare(
      me,
      { ...ask('compare us'), models: [small, 'openai/gpt-5-mini', large] },
      {
        onProgress: (event) => event.type === 'model_finished' && finished.push(event.model),
      },
    );
    const comparison = await result;
    expect(
      comparison.entries.map(({ model, result: done, error }) => [model, done?.text !== undefined, error?.code]),
    ).toEqual([
      ['mistral-small-latest', true, undefined],
      ['gpt-5-mini', false, 'authentication'],
      ['mistral-large-latest', true, undefined],
    ]);
    expect(comparison.summary).toMatchObject({ succeeded: 2, failed: 1 });
    expect(finished.toSorted()).toEqual(['gpt-5-mini', 'mistral-large-latest', 'mistral-small-latest']);
    expect(await system.manager.getJob(me, requestId)).toMatchObject({
      status: 'succeeded',
      comparison: { summary: { succeeded: 2 } },
    });
  });

  test('that is read while it runs tells each model as it ends, and names them all', async () => {
    const others = Promise.withResolvers<void>();
    system.upstream.behave(async (call, tools) => {
      if (call.model !== 'mistral-small-latest') await others.promise;
      return echo(call, tools);
    });
    const asked = { ...ask('read us'), models: [small, 'openai/gpt-5-mini', large] };
    const { requestId } = await system.manager.compare(me, asked);
    const told: ProgressEvent[] = [];
    const view = await system.manager.getJob(me, requestId, {
      waitMs: 20_000,
      onProgress(event) {
        told.push(event);
        if (told.length === 2) others.resolve();
      },
    });
    expect(view).toMatchObject({ status: 'succeeded', comparison: { summary: { succeeded: 2, failed: 1 } } });
    const ended = told.map((event) =>
      event.type === 'model_finished'
        ? [`${event.provider}/${event.model}`, event.error?.code, event.finished, event.total]
        : event.type,
    );
    const first = ended.slice(0, 2).map((one) => one.slice(0, 2));
    expect(first).toEqual(
      expect.arrayContaining([
        [small, undefined],
        ['openai/gpt-5-mini', 'authentication'],
      ]),
    );
    expect(ended.map((one) => one.slice(2))).toEqual(
      [
        [1, 3],
        [2, 3],
        [3, 3],
      ].slice(0, ended.length),
    );
  });

  test('has the answer of a model whose job made room for later ones before the last model answered', async () => {
    const redis = system.redis.client();
    system.upstream.behave(async (call, tools) => {
      if (call.prompt.includes('made room') && call.model !== 'mistral-small-latest') await tools.held;
      return echo(call, tools);
    });
    const { requestId, result } = await system.manager.compare(me, { ...ask('made room'), models: [small, large] });
    const { children } = await system.manager.getJob(me, requestId);
    const jobId = children?.[0]?.requestId ?? '';
    await expect.poll(() => redis.zrem('{aimm}:mistral:completed', jobId)).toBe(1);
    await redis.unlink(`{aimm}:mistral:${jobId}`);
    system.upstream.release();
    const { entries, summary } = await result;
    expect(entries.map((entry) => entry.result?.text)).toEqual(['echo: made room', 'echo: made room']);
    expect(summary).toMatchObject({ succeeded: 2, failed: 0 });
    await expect.poll(() => redis.keys('{aimm}:part:*')).toEqual([]);
  });

  test('is judged by a model when asked to, as one more durable call', async () => {
    system.upstream.behave((call, tools) => {
      if (!call.prompt.includes('<answer id=')) return tools.finish({ text: `I am ${call.model}.` });
      const [best, other] = /A">\s*I am mistral-large/.test(call.prompt) ? 'AB' : 'BA';
      tools.finish({
        text: `{"ranking":[{"answer":"${best}","score":8,"reason":"clearer"},{"answer":"${other}","score":5}]}`,
      });
    });
    const judge = 'mistral/mistral-medium-3-5';
    const told: ProgressEvent[] = [];
    const { result } = await system.manager.compare(
      me,
      { ...ask('judge us'), models: [small, large], judge, criteria: 'clarity' },
      { onProgress: (event) => void told.push(event) },
    );
    const { judgement, summary } = await result;
    const judging = told.findIndex(({ type }) => type === 'judging');
    expect(told[judging]).toEqual({ type: 'judging', provider: 'mistral', model: 'mistral-medium-3-5' });
    expect(told[judging - 1]).toMatchObject({ type: 'model_finished', finished: 2 });
    expect(judgement?.costNanoUsd).toBeGreaterThan(0);
    expect(summary).toMatchObject({ totalInputTokens: 30, totalOutputTokens: 15 });
    expect(judgement).toMatchObject({
      judge,
      winner: large,
      ranking: [
        { model: large, score: 8, reason: 'clearer' },
        { model: small, score: 5 },
      ],
    });
    expect(promptsOf('judge us')).toHaveLength(3);
  });

  test('whose judge fails still has its results', async () => {
    system.upstream.behave((call, tools) =>
      call.prompt.includes('<answer id=') ? tools.fail(401, { message: 'no' }) : echo(call, tools),
    );
    const comparison = await (
      await system.manager.compare(me, {
        ...ask('judge fails'),
        models: [small, large],
        judge: 'mistral/mistral-medium-3-5',
      })
    ).result;
    expect(comparison.summary.succeeded).toBe(2);
    expect(comparison.judgement).toMatchObject({ ranking: [], error: { code: 'authentication' } });
  });
});

describe('health', () => {
  test('tells what works, what lacks a key and what cannot be reached', async () => {
    const report = await system.manager.health(operator);
    expect(report).toMatchObject({
      healthy: true,
      queue: { reachable: true, workers: [{ pid: system.worker.pid }] },
      database: { kind: 'sqlite', reachable: true },
    });
    const byId = Object.fromEntries(report.providers.map((provider) => [provider.provider, provider]));
    expect(byId['mistral']).toMatchObject({ configured: true, reachable: true });
    expect(byId['openai']).toMatchObject({ configured: false, hint: expect.stringContaining('OPENAI_API_KEY') });
    expect(byId['ollama']).toMatchObject({ reachable: false });
  });
});
