import { ModelManagerError } from '@aimm/contracts';
import type { JobView } from '@aimm/manager';
import { describe, expect, it } from 'vitest';
import { callTool, connect } from './support/connect.ts';
import { createFakeManager, createReadyManager } from './support/fake-manager.ts';
import { answer, batch, batchId, comparison, comparisonId, generationId, queuedJob } from './support/fixtures.ts';
import { connectRaw } from './support/raw-client.ts';

const timing = { taskAfterMs: 5 };
const prompt = { name: 'generate', arguments: { prompt: 'Hi' } };
const running: JobView = { ...queuedJob, status: 'running', position: undefined };
const compared: JobView = { requestId: comparisonId, kind: 'comparison', status: 'running', createdAt: 1 };
const batched: JobView = { requestId: batchId, kind: 'batch', status: 'running', createdAt: batch.createdAt, batch };

/** A manager whose jobs stand as `view` says, and whose generations end when the test says so. */
function managerOf(view: JobView) {
  return Object.assign(createFakeManager(), { getJob: async () => view });
}

/** What the tool answers to who knows nothing of tasks, as it comes over the wire. */
async function plainAnswer(manager: ReturnType<typeof createFakeManager>, tool: string, args: Record<string, unknown>) {
  const { text, structured, isError } = await callTool(await connect(manager), tool, args);
  return {
    resultType: 'complete',
    content: text.map((block) => ({ type: 'text', text: block })),
    structuredContent: structured,
    ...(isError && { isError }),
  };
}

/** The job as a task. */
async function getTask(view: JobView, options = {}) {
  const client = await connectRaw(managerOf(view), options);
  const { result } = await client.ask('tasks/get', { taskId: view.requestId });
  return result ?? {};
}

describe('a call of a client that declares tasks', () => {
  it('is answered with a task where it takes longer than the server waits, and with nothing of a tool’s result', async () => {
    const client = await connectRaw(managerOf(running), { timing });
    const { result } = await client.ask('tools/call', prompt);
    expect(result).toEqual({
      resultType: 'task',
      taskId: generationId,
      status: 'working',
      statusMessage: 'openai/gpt-5-mini is answering',
      createdAt: '2025-11-24T16:00:00.000Z',
      lastUpdatedAt: expect.stringMatching(/^20\d\d-.*Z$/),
      ttlMs: 86_400_000,
      pollIntervalMs: 1000,
      _meta: expect.anything(),
    });
  });

  it('is answered with a task over a connection that lists output schemas, too, and goes on to serve', async () => {
    const client = await connectRaw(managerOf(running), { timing });
    await client.ask('tools/list');
    expect((await client.ask('tools/call', prompt)).result).toMatchObject({ resultType: 'task' });
    expect((await client.ask('tools/call', { name: 'list_models', arguments: {} })).result).toMatchObject({
      resultType: 'complete',
    });
  });

  it('is answered plainly where the end comes soon', async () => {
    const manager = createReadyManager();
    const client = await connectRaw(manager, { timing: { taskAfterMs: 60_000 } });
    const { result } = await client.ask('tools/call', prompt);
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: { text: 'Paris.' } });
    expect(result).not.toHaveProperty('taskId');
  });

  it('is answered plainly where the end comes while the task is made', async () => {
    const view: JobView = { ...queuedJob, status: 'succeeded', position: undefined, generation: answer };
    const client = await connectRaw(managerOf(view), { timing });
    const { result } = await client.ask('tools/call', prompt);
    expect(result).toMatchObject({
      resultType: 'complete',
      structuredContent: { status: 'succeeded', text: 'Paris.' },
    });
  });

  it.each([
    ['generate', { prompt: 'Hi', background: true }, queuedJob, generationId],
    ['compare_models', { prompt: 'Hi', models: ['a/b', 'c/d'], background: true }, compared, comparisonId],
    ['start_batch', { prompts: ['a'], models: ['a/b'] }, batched, batchId],
    ['start_batch', { prompts: ['a'], models: ['a/b'], wait_seconds: 60 }, batched, batchId],
  ])('to %s with %j is answered with a task at once', async (name, args, view, taskId) => {
    const client = await connectRaw(managerOf(view), { timing: { taskAfterMs: 60_000 } });
    const { result } = await client.ask('tools/call', { name, arguments: args });
    expect(result).toMatchObject({ resultType: 'task', taskId, status: 'working' });
  });

  it.each([
    ['a faulty argument', { temperature: 'hot' }, undefined, 'invalid_request'],
    ['a budget that is used up', {}, new ModelManagerError('budget_exceeded', 'No more.'), 'budget_exceeded'],
    ['a queue that is away', {}, new ModelManagerError('unavailable', 'Redis is away.'), 'unavailable'],
  ])('that meets %s is told so at once, as a tool error', async (_what, args, error, code) => {
    const refuse = error === undefined ? {} : { generate: () => Promise.reject(error) };
    const client = await connectRaw(createFakeManager(refuse), { timing });
    const { result } = await client.ask('tools/call', {
      name: 'generate',
      arguments: { prompt: 'Hi', background: true, ...args },
    });
    expect(result).toMatchObject({ resultType: 'complete', isError: true, structuredContent: { error: { code } } });
  });

  it('of a job that cannot be read is answered with its id, as without tasks', async () => {
    const away = { getJob: () => Promise.reject(new ModelManagerError('unavailable', 'Redis is away.')) };
    const client = await connectRaw(createFakeManager(away), { timing });
    const { result } = await client.ask('tools/call', prompt);
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: { job_id: generationId } });
  });

  it('whose stack leaves after the job was made is answered with its id, too', async () => {
    const manager = managerOf(running);
    let left = 1;
    const leaving = () => (left-- > 0 ? Promise.resolve(manager) : Promise.reject(new Error('gone')));
    const client = await connectRaw(leaving, { timing });
    const { result } = await client.ask('tools/call', {
      name: 'generate',
      arguments: { prompt: 'Hi', background: true },
    });
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: { job_id: generationId } });
  });

  it('is told progress while it is open, and is not cancelled by its end', async () => {
    const manager = managerOf(running);
    const client = await connectRaw(manager, { timing: { taskAfterMs: 50 } });
    const notes: unknown[] = [];
    const id = client.nextId();
    const call = client.ask('tools/call', prompt, { onprogress: ({ message }) => notes.push(message) });
    const asked = await manager.nextGeneration();
    asked.emit({ type: 'started', provider: 'openai', model: 'gpt-5-mini' });
    expect((await call).result).toMatchObject({ resultType: 'task' });
    expect(notes).toEqual(['openai/gpt-5-mini started']);
    asked.emit({ type: 'text', text: 'late', totalLength: 4 });
    await client.tell('notifications/cancelled', { requestId: id });
    await client.ask('tools/list');
    expect(notes).toHaveLength(1);
    expect(asked.options?.signal?.aborted).toBe(false);
  });
});

describe('without the declaration', () => {
  it('nobody is answered with a task, whatever another request of the connection declared', async () => {
    const manager = managerOf(running);
    const client = await connectRaw(manager, { timing: { taskAfterMs: 5, handBackMs: 5 } });
    expect((await client.ask('tools/call', prompt)).result).toMatchObject({ resultType: 'task' });
    const { result } = await client.ask('tools/call', prompt, { tasks: false });
    expect(result).toMatchObject({ resultType: 'complete', structuredContent: { job_id: generationId } });
    expect(result).not.toHaveProperty('taskId');
  });

  it.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('%s is refused, naming what is missing', async (method) => {
    const manager = createReadyManager();
    const client = await connectRaw(manager, { tasks: false });
    const { error } = await client.ask(method, { taskId: generationId });
    expect(error).toMatchObject({
      code: -32_021,
      data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
    });
    expect(manager.calls).toEqual([]);
  });

  it('a client of 2025-11-25 sees no change, though it names the extension', async () => {
    const client = await connectRaw(managerOf(running), {
      era: '2025-11-25',
      timing: { taskAfterMs: 5, handBackMs: 5 },
    });
    const { result } = await client.ask('tools/call', prompt);
    expect(result).toMatchObject({ structuredContent: { job_id: generationId, status: 'running' } });
    expect(result).not.toHaveProperty('resultType');
    expect((await client.ask('tasks/get', { taskId: generationId })).error).toMatchObject({ code: -32_601 });
    const known = await connect(createReadyManager(), { era: '2025-11-25' });
    expect(known.getServerCapabilities()).not.toHaveProperty('extensions');
  });
});

it('server/discover announces tasks', async () => {
  const client = await connectRaw(createReadyManager(), { tasks: false });
  const { result } = await client.ask('server/discover');
  expect(result).toMatchObject({ capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } });
});

describe('tasks/get', () => {
  it('of a generation that ended gives what generate would have answered', async () => {
    const view: JobView = { ...queuedJob, status: 'succeeded', position: undefined, generation: answer };
    expect(await getTask(view)).toEqual({
      resultType: 'complete',
      taskId: generationId,
      status: 'completed',
      statusMessage: 'Done.',
      createdAt: '2025-11-24T16:00:00.000Z',
      lastUpdatedAt: '2025-11-24T16:00:00.850Z',
      ttlMs: 86_400_000,
      result: await plainAnswer(createReadyManager(), 'generate', { prompt: 'Hi' }),
      _meta: expect.anything(),
    });
  });

  it('of one that failed is completed, with the error of the tool', async () => {
    const manager = createFakeManager();
    const error = new ModelManagerError('content_filtered', 'openai refused.');
    const call = plainAnswer(manager, 'generate', { prompt: 'Hi' });
    (await manager.nextGeneration()).fail(error);
    const task = await getTask({ ...running, status: 'failed', error: error.toShape() });
    expect(task).toMatchObject({ status: 'completed', statusMessage: 'openai refused.', result: { isError: true } });
    expect(task['result']).toEqual(await call);
  });

  it('of one that was cancelled says so and has no result', async () => {
    const error = new ModelManagerError('cancelled', 'The request was cancelled.').toShape();
    const task = await getTask({ ...running, status: 'cancelled', error });
    expect(task).toMatchObject({ status: 'cancelled', statusMessage: 'The request was cancelled.' });
    expect(task).not.toHaveProperty('result');
  });

  it('of one whose answer is kept no more says that', async () => {
    const { status, result } = await getTask({ ...running, status: 'succeeded' });
    expect(status).toBe('completed');
    expect(JSON.stringify(result)).toContain('no longer kept');
  });

  it('of a comparison that ended gives what compare_models would have answered', async () => {
    const { result } = await getTask({ ...compared, status: 'succeeded', comparison });
    const args = { prompt: 'Hi', models: ['openai/gpt-5-mini', 'mistral/mistral-large'] };
    expect(result).toEqual(await plainAnswer(createReadyManager(), 'compare_models', args));
  });

  it('of a batch that ended gives its summary, as start_batch would have answered', async () => {
    const ended = { ...batch, status: 'completed', endedAt: batch.createdAt + 60_000 } as const;
    const { status, lastUpdatedAt, result } = await getTask({ ...batched, status: 'succeeded', batch: ended });
    expect([status, lastUpdatedAt]).toEqual(['completed', '2025-11-24T16:01:00.000Z']);
    const manager = Object.assign(createReadyManager(), { startBatch: async () => ended });
    expect(result).toEqual(await plainAnswer(manager, 'start_batch', { prompts: ['a'], models: ['a/b'] }));
  });

  const wait = { position: 12, inLine: 40, estimatedWaitMs: 35_200, waitingFor: 'queue' as const };
  const child = (model: string, status: JobView['status']) => ({ requestId: generationId, model, status });
  it.each([
    [{ ...queuedJob, position: 12, wait }, 'openai/gpt-5-mini waits: 12th of 40 in line, about 35 s', 3520],
    [queuedJob, 'openai/gpt-5-mini waits: 3rd in line', 1000],
    [{ ...running, partialText: 'Well,\n\nthen' }, 'openai/gpt-5-mini: 11 characters so far: Well, then', 1000],
    [
      { ...compared, children: [child('a/b', 'succeeded'), child('c/d', 'failed'), child('e/f', 'running')] },
      '2 of 3 models done, 1 failed; e/f answers',
      2000,
    ],
    [batched, '1 of 2 done, $0.00090, about 1 min 1 s left', 6100],
    [
      { ...batched, batch: { ...batch, status: 'paused' as const, pausedBecause: 'It has cost as much as it may.' } },
      'Paused at 1 of 2 done, $0.00090, about 1 min 1 s left. It has cost as much as it may.',
      60_000,
    ],
    [
      { ...batched, batch: { ...batch, waitsBecause: 'openai is overloaded.' } },
      '1 of 2 done, $0.00090, about 1 min 1 s left. openai is overloaded.',
      6100,
    ],
  ])('while it works says where it stands and when to ask again (%#)', async (view, statusMessage, pollIntervalMs) => {
    expect(await getTask(view)).toMatchObject({ status: 'working', statusMessage, pollIntervalMs });
  });

  it('of a long text shows how long it is and its end', async () => {
    const { statusMessage } = await getTask({ ...running, partialText: `${'word '.repeat(400)}the end` });
    expect(statusMessage).toMatch(/^openai\/gpt-5-mini: 2,007 characters so far: ….{60,80}the end$/);
  });

  it('of a batch says that it is kept without end, or for the days that are set, from its end on', async () => {
    expect(await getTask(batched)).toMatchObject({ ttlMs: null });
    expect(await getTask(batched, { batchRetentionDays: 2 })).toMatchObject({ ttlMs: null });
    const ended = { ...batch, status: 'completed', endedAt: batch.createdAt + 60_000 } as const;
    const view: JobView = { ...batched, status: 'succeeded', batch: ended };
    expect(await getTask(view, { batchRetentionDays: 2 })).toMatchObject({ ttlMs: 2 * 86_400_000 + 60_000 });
  });
});

describe('a task', () => {
  const unknown = new ModelManagerError('invalid_request', 'There is no job "gen_x".');

  it.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('that is not there is unknown to %s', async (method) => {
    const none = { getJob: () => Promise.reject(unknown), cancelJob: () => Promise.reject(unknown) };
    const client = await connectRaw(createFakeManager(none));
    expect((await client.ask(method, { taskId: 'gen_x' })).error).toMatchObject({
      code: -32_602,
      message: expect.stringContaining('There is no job "gen_x".'),
    });
    expect((await client.ask(method, {})).error).toMatchObject({ code: -32_602 });
    expect((await client.ask(method, { taskId: 7 })).error).toMatchObject({ code: -32_602 });
  });

  it('that cannot be read now is not called unknown', async () => {
    const away = { getJob: () => Promise.reject(new ModelManagerError('unavailable', 'Redis is away.')) };
    const { error } = await (await connectRaw(createFakeManager(away))).ask('tasks/get', { taskId: generationId });
    expect(error).toMatchObject({ code: -32_603, message: expect.stringContaining('Redis is away.') });
  });

  it('is cancelled in the name of the caller, and the answer says no more than that', async () => {
    const manager = createFakeManager();
    const client = await connectRaw(manager, { caller: { client: 'somebody', admin: false } });
    const { result } = await client.ask('tasks/cancel', { taskId: generationId });
    expect(result).toEqual({ resultType: 'complete', _meta: expect.anything() });
    expect(manager.calls).toEqual([
      { method: 'cancelJob', args: [{ client: 'somebody', admin: false }, generationId] },
    ]);
  });

  it('is told nothing by tasks/update, since it asked nothing', async () => {
    const client = await connectRaw(managerOf(running));
    const answered = await client.ask('tasks/update', { taskId: generationId, inputResponses: {} });
    expect(answered.result).toEqual({ resultType: 'complete', _meta: expect.anything() });
  });

  it.each([
    ['read', { 'tasks/get': true, 'tasks/update': true, 'tasks/cancel': false }],
    ['generate', { 'tasks/get': true, 'tasks/update': true, 'tasks/cancel': true }],
  ] as const)('is for a token of the scope %s what its job is', async (scope, may) => {
    const manager = managerOf(running);
    const client = await connectRaw(manager, { caller: { client: 'token', admin: false, scopes: [scope] } });
    for (const [method, allowed] of Object.entries(may)) {
      const { error } = await client.ask(method, { taskId: generationId });
      expect(error?.message ?? '').toMatch(
        allowed ? /^$/ : /^tasks\/cancel needs an access token with the scope generate/,
      );
    }
    expect(manager.calls.some(({ method }) => method === 'cancelJob')).toBe(scope === 'generate');
  });
});
