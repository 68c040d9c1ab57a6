import type { ErrorShape } from '@aimm/contracts';
import type { Progress } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { createFakeManager, createReadyManager } from './support/fake-manager.ts';
import { answer, batch, batchId, comparison, comparisonId, generationId } from './support/fixtures.ts';
import { callTool, connect, eras } from './support/connect.ts';

const overloaded: ErrorShape = {
  code: 'overloaded',
  message: 'openai is overloaded.',
  retryable: true,
  provider: 'openai',
};
const gpt = { provider: 'openai', model: 'gpt-5-mini' };
const large = { provider: 'mistral', model: 'mistral-large' };

/** Collects progress; `seen` resolves at the first message that contains the text. */
function collect() {
  const all: Progress[] = [];
  const waiting: { part: string; resolve: () => void }[] = [];
  return {
    all,
    messages: () => all.map(({ message }) => message),
    onprogress: (progress: Progress) => {
      all.push(progress);
      for (const { part, resolve } of waiting) if (progress.message?.includes(part)) resolve();
    },
    seen: (part: string) =>
      all.some(({ message }) => message?.includes(part))
        ? Promise.resolve()
        : new Promise<void>((resolve) => waiting.push({ part, resolve })),
  };
}

function expectRising(all: Progress[]) {
  const values = all.map(({ progress }) => progress);
  expect(values).toEqual([...new Set(values)].toSorted((one, other) => one - other));
}

describe.each(eras)('progress of generate in version %s', (era) => {
  it('tells place, start, text, pauses and restarts in order, with a rising number', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { era });
    const progress = collect();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextGeneration();
    emit({ type: 'queued', ...gpt, position: 3, ahead: 2 });
    emit({ type: 'queued', ...gpt, position: 3, ahead: 2 });
    emit({ type: 'queued', ...gpt, position: 1, ahead: 0 });
    emit({ type: 'waiting', untilMs: Date.now() + 4900, reason: overloaded });
    emit({ type: 'started', ...gpt });
    emit({ type: 'reasoning', text: 'Hm' });
    emit({ type: 'reasoning', text: 'Hm hm' });
    emit({ type: 'text', text: 'Par', totalLength: 3 });
    emit({ type: 'reset', reason: overloaded });
    emit({ type: 'text', text: 'Paris', totalLength: 5 });
    emit({ type: 'text', text: '.', totalLength: 6 });
    succeed(answer);
    expect((await call).isError).toBe(false);
    expect(progress.messages()).toEqual([
      'Waiting at openai: 3rd in line',
      'Waiting at openai: next in line',
      'openai asks us to wait 4.9 s: openai is overloaded.',
      'openai/gpt-5-mini started',
      'The model is thinking',
      'Par',
      'The answer starts again, the text so far is void: openai is overloaded.',
      'Paris.',
    ]);
    expectRising(progress.all);
  });
});

describe('progress', () => {
  it('of a request that waits says among how many and for how long, and why it was put back', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const progress = collect();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextGeneration();
    emit({ type: 'queued', ...gpt, position: 12, ahead: 11, inLine: 40, estimatedWaitMs: 35_000, waitingFor: 'queue' });
    emit({ type: 'waiting', untilMs: Date.now() + 1_990, reason: overloaded, why: 'retry' });
    emit({ type: 'waiting', untilMs: Date.now() + 1_990, reason: overloaded, why: 'rate_limit' });
    succeed(answer);
    await call;
    const [place, retry, limit] = progress.messages();
    expect(place).toBe('Waiting at openai: 12th of 40 in line, about 35 s');
    expect(retry).toMatch(/^openai is overloaded\. It is tried again in [12]\.\d s$/);
    expect(limit).toMatch(/^Waiting [12]\.\d s for a limit: openai is overloaded\.$/);
  });

  it('is what makes text final: without it, or where allowed, a broken answer may begin again', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const { onprogress } = collect();
    const calls = [
      callTool(client, 'generate', { prompt: 'Hi' }, { onprogress }),
      callTool(client, 'generate', { prompt: 'Hi', allow_restart: true }, { onprogress }),
      callTool(client, 'generate', { prompt: 'Hi' }),
      callTool(client, 'generate', { prompt: 'Hi', allow_restart: false }),
    ];
    for (const _call of calls) (await manager.nextGeneration()).succeed(answer);
    await Promise.all(calls);
    const allowed = manager.calls.flatMap(({ args }) => [(args[1] as { allowRestart?: boolean }).allowRestart]);
    expect(allowed).toEqual([false, true, true, false]);
  });

  it('text arrives in few messages that put together are the text', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { timing: { textIntervalMs: 20 } });
    const progress = collect();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextGeneration();
    const words = Array.from({ length: 200 }, (_, index) => `word${index} `);
    let length = 0;
    for (const word of words.slice(0, 100)) emit({ type: 'text', text: word, totalLength: (length += word.length) });
    await progress.seen('word99 ');
    for (const word of words.slice(100)) emit({ type: 'text', text: word, totalLength: (length += word.length) });
    await progress.seen('word199 ');
    succeed(answer);
    await call;
    expect(progress.messages().join('')).toBe(words.join(''));
    expect(progress.all.length).toBeLessThan(8);
  });

  it('keeps the client patient through a long silence, and the call past the time it would be handed back', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { timing: { heartbeatMs: 15, handBackMs: 10 } });
    const progress = collect();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    const { succeed } = await manager.nextGeneration();
    await progress.seen('Still working');
    succeed(answer);
    expect((await call).structured).toMatchObject({ status: 'succeeded' });
    expectRising(progress.all);
  });

  it('ends with the answer: nothing follows it', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { timing: { heartbeatMs: 10, textIntervalMs: 5 } });
    const progress = collect();
    const problems: Error[] = [];
    client.onerror = (error) => problems.push(error);
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextGeneration();
    emit({ type: 'text', text: 'Paris', totalLength: 5 });
    emit({ type: 'text', text: '.', totalLength: 6 });
    succeed(answer);
    await call;
    const count = progress.all.length;
    emit({ type: 'text', text: 'late', totalLength: 10 });
    emit({ type: 'started', ...gpt });
    const second = collect();
    const next = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: second.onprogress });
    const again = await manager.nextGeneration();
    await second.seen('Still working');
    again.succeed(answer);
    await next;
    expect(progress.all.length).toBe(count);
    expect(problems).toEqual([]);
  });

  it('says that the stack is starting when the first call has to wait for it', async () => {
    const starting = Promise.withResolvers<ReturnType<typeof createReadyManager>>();
    const client = await connect(() => starting.promise, { timing: { slowStartMs: 5 } });
    const progress = collect();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { onprogress: progress.onprogress });
    await progress.seen('Starting the local stack…');
    starting.resolve(createReadyManager());
    expect((await call).structured).toMatchObject({ status: 'succeeded' });
  });

  it('a client without progress is told to come back when the stack takes too long', async () => {
    const client = await connect(() => Promise.withResolvers<never>().promise, { timing: { handBackMs: 20 } });
    const { isError, text } = await callTool(client, 'list_models', {});
    expect(isError).toBe(true);
    expect(text[0]).toContain('(error: unavailable)');
  });

  it('of compare_models counts models as they finish', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const progress = collect();
    const args = { prompt: 'Hi', models: ['openai/gpt-5-mini', 'mistral/mistral-large'] };
    const call = callTool(client, 'compare_models', args, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextComparison();
    emit({ type: 'queued', ...gpt, position: 2, ahead: 1 });
    emit({ type: 'started', ...gpt });
    emit({ type: 'text', text: 'not told', totalLength: 8 });
    emit({ type: 'model_finished', ...gpt, finished: 1, total: 2, result: answer });
    emit({ type: 'queued', ...large, position: 1, ahead: 0 });
    emit({
      type: 'model_finished',
      ...large,
      finished: 2,
      total: 2,
      error: { code: 'rate_limited', message: 'mistral allows no more requests now.', retryable: true },
    });
    succeed(comparison);
    expect((await call).isError).toBe(false);
    expect(progress.messages()).toEqual([
      'openai/gpt-5-mini waits: 2nd in line',
      'openai/gpt-5-mini started',
      'openai/gpt-5-mini finished in 850 ms (1 of 2)',
      'mistral/mistral-large waits: next in line',
      'mistral/mistral-large failed: mistral allows no more requests now. (2 of 2)',
    ]);
    expectRising(progress.all);
    expect(progress.all.map(({ total }) => total)).toEqual([2, 2, 2, 2, 2]);
    expect(progress.all[2]?.progress).toBe(1);
    expect(progress.all[4]?.progress).toBe(2);
  });

  it('of a comparison with a judge has a step for it, and never passes its total', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { timing: { heartbeatMs: 10 } });
    const progress = collect();
    const args = { prompt: 'Hi', models: ['openai/gpt-5-mini', 'mistral/mistral-large'], judge: 'a/judge' };
    const call = callTool(client, 'compare_models', args, { onprogress: progress.onprogress });
    const { emit, succeed } = await manager.nextComparison();
    emit({ type: 'model_finished', ...gpt, finished: 1, total: 2, result: answer });
    emit({
      type: 'model_finished',
      ...large,
      finished: 2,
      total: 2,
      result: answer,
    });
    const judge = { type: 'judging', provider: 'a', model: 'judge' } as const;
    emit({ ...judge, position: 2, inLine: 4, waitingFor: 'queue' });
    emit(judge);
    await progress.seen('Still working');
    succeed(comparison);
    await call;
    expect(progress.messages()).toEqual(
      expect.arrayContaining([
        'All have ended; the judge a/judge waits: 2nd of 4 in line',
        'All have ended; a/judge ranks the answers',
      ]),
    );
    expect(progress.all.map(({ total }) => total)).toEqual(progress.all.map(() => 3));
    for (const one of progress.all) expect(one.progress).toBeLessThan(3);
    expectRising(progress.all);
  });

  it('of get_job for a comparison counts its models, and gives no total once it is past it', async () => {
    const manager = createReadyManager({
      getJob: async (_caller, requestId, options) => {
        options?.onProgress?.({ type: 'model_finished', ...gpt, finished: 1, total: 2 });
        options?.onProgress?.({ type: 'model_finished', provider: 'mistral', model: 'm', finished: 2, total: 2 });
        await progress.seen('Still working');
        return { requestId, kind: 'comparison', status: 'succeeded', createdAt: 1, comparison };
      },
    });
    const progress = collect();
    const client = await connect(manager, { timing: { heartbeatMs: 10 } });
    const args = { job_id: comparisonId, wait_seconds: 60 };
    await callTool(client, 'get_job', args, { onprogress: progress.onprogress });
    expect(progress.messages().slice(0, 2)).toEqual([
      'openai/gpt-5-mini finished (1 of 2)',
      'mistral/m finished (2 of 2)',
    ]);
    expect(progress.all.slice(0, 3).map(({ progress: at, total }) => [at > 2 ? 'more' : at, total])).toEqual([
      [1, 2],
      [2, 2],
      ['more', undefined],
    ]);
    expectRising(progress.all);
  });

  it('of get_job is told while it waits', async () => {
    const manager = createReadyManager({
      getJob: async (_caller, _id, options) => {
        options?.onProgress?.({ type: 'started', ...gpt });
        return { requestId: generationId, kind: 'generation', status: 'succeeded', createdAt: 1, generation: answer };
      },
    });
    const progress = collect();
    const args = { job_id: generationId, wait_seconds: 60 };
    await callTool(await connect(manager), 'get_job', args, { onprogress: progress.onprogress });
    expect(progress.messages()).toEqual(['openai/gpt-5-mini started']);
  });
});

describe('progress of a batch', () => {
  const done = [0, 0, 1, 5, 4, 6];
  const manager = () =>
    createReadyManager({
      async getJob(_caller, requestId, options) {
        for (const [index, count] of done.entries())
          options?.onProgress?.({ type: 'batch', done: count, failed: index, total: 6 });
        return { requestId, kind: 'batch', status: 'succeeded', createdAt: 1, batch };
      },
    });

  it.each([
    ['get_job', { job_id: batchId, wait_seconds: 60 }],
    ['start_batch', { prompts: ['a'], models: ['a/b'], wait_seconds: 60 }],
  ])('to %s counts generations of all there are, and rises also where some are asked again', async (tool, args) => {
    const progress = collect();
    await callTool(await connect(manager()), tool, args, { onprogress: progress.onprogress });
    expect(progress.all.map(({ total }) => total)).toEqual(done.map(() => 6));
    const values = progress.all.map((one) => one.progress);
    expect([values[2], values[3], values[5]]).toEqual([1, 5, 6]);
    expect(values[4]).toBeGreaterThan(5);
    expect(values[4]).toBeLessThan(6);
    expectRising(progress.all);
  });

  it('begins below the first generation, however long it says nothing of them', async () => {
    const ready = manager();
    const slow = async () => {
      await starting.seen('Starting');
      return ready;
    };
    const starting = collect();
    const client = await connect(slow, { timing: { slowStartMs: 1, heartbeatMs: 5 } });
    await callTool(client, 'get_job', { job_id: batchId, wait_seconds: 60 }, { onprogress: starting.onprogress });
    expect(starting.all[0]?.progress).toBeLessThan(1);
    expect(starting.all.at(-1)).toMatchObject({ progress: 6, total: 6 });
    expectRising(starting.all);
  });
});
