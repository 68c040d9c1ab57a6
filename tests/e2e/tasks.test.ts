import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import type { Face, McpClient } from '../support/mcp-client.ts';
import { runAimm } from '../support/run-aimm.ts';
import { echo, startUpstream, type Upstream } from '../support/upstream.ts';
import { vendorModels } from '../support/vendors.ts';

const model = vendorModels.mistral;
const extensions = { 'io.modelcontextprotocol/tasks': {} };
const modern: readonly Face[] = [
  { transport: 'stdio', era: '2026-07-28', extensions },
  { transport: 'HTTP', era: '2026-07-28', extensions },
];

let upstream: Upstream;
let deployment: Deployment;
beforeAll(async () => {
  upstream = await startUpstream();
  deployment = await startDeployment({ environment: { MISTRAL_BASE_URL: upstream.url } });
});
afterAll(async () => {
  await deployment?.end();
  await upstream?.stop();
});
beforeEach(() => {
  upstream.behave(echo);
});

type Json = Record<string, unknown>;

/** The SDK's client lets no answer through that is a task: what came over the wire is taken as it is. */
async function callRaw({ client, received }: McpClient, name: string, args: Json): Promise<Json> {
  const before = received.length;
  await client.callTool({ name, arguments: args }).catch(() => undefined);
  const messages = received.slice(before).map((json) => JSON.parse(json) as { result?: Json });
  return messages.find(({ result }) => result !== undefined)?.result ?? {};
}

const anything = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } };

async function ask({ client }: McpClient, method: string, taskId: unknown): Promise<Json> {
  return (await client.request({ method, params: { taskId: String(taskId) } }, anything)) as Json;
}

/** Asks as often as it is told to, until the task has ended or says what is waited for. */
async function poll(mcp: McpClient, taskId: unknown, until: (task: Json) => boolean = () => false): Promise<Json> {
  for (const startedAt = Date.now(); Date.now() < startedAt + 20_000;) {
    const task = await ask(mcp, 'tasks/get', taskId);
    if (task['status'] !== 'working' || until(task)) return task;
    await new Promise((resolve) => setTimeout(resolve, Math.min(250, Number(task['pollIntervalMs']))));
  }
  throw new Error('the task did not end');
}

/** Answers without what differs from one request to the next. */
function withoutOccasion(result: unknown): string {
  return JSON.stringify(result)
    .replaceAll(/(gen|cmp|bat)_[0-9a-f-]{36}/g, '$1_…')
    .replaceAll(/"(\w*_ms)":\d+(\.\d+)?/g, '"$1":0')
    .replaceAll(/\d+(\.\d+)? m?s/g, '… s')
    .replaceAll(/"(fastest|cheapest|longest)":"[^"]+"|(fastest|cheapest|longest answer) [\w/-]+/g, '$1$2');
}

describe.each(modern)('a client that takes tasks, over $transport:', (face) => {
  const plainFace: Face = { transport: face.transport, era: face.era };
  const otherFace = modern.find(({ transport }) => transport !== face.transport) ?? face;
  let mcp: McpClient;
  let plain: McpClient;
  let other: McpClient;
  beforeAll(async () => {
    [mcp, plain, other] = await Promise.all([
      deployment.connect(face),
      deployment.connect(plainFace),
      deployment.connect(otherFace),
    ]);
  });

  test('a long generation goes on as a task, which another front reads to its end, as others are answered', async () => {
    upstream.behave(async (_call, { write, finish, held }) => {
      write('Well, then');
      await held;
      finish({ text: ' goodbye.' });
    });
    const maker = await deployment.connect(face);
    const calls = upstream.calls.length;
    const plainCall = plain.call('generate', { model, prompt: `long, ${face.transport}` });
    const task = await callRaw(maker, 'generate', { model, prompt: `long, ${face.transport}` });
    expect(task).toMatchObject({
      resultType: 'task',
      taskId: expect.stringMatching(/^gen_/),
      status: 'working',
      ttlMs: 24 * 3_600_000,
      pollIntervalMs: expect.any(Number),
    });
    expect(task).not.toHaveProperty('content');
    expect(task).not.toHaveProperty('structuredContent');
    // Its front goes away where it is a process of its own.
    await maker.close();
    await upstream.arrived(calls + 2);
    const half = await poll(other, task['taskId'], ({ statusMessage }) => String(statusMessage).includes('so far'));
    expect(half['statusMessage']).toBe(`${model}: 10 characters so far: Well, then`);
    upstream.release();
    const ended = await poll(other, task['taskId']);
    expect(ended).toMatchObject({ status: 'completed', createdAt: task['createdAt'] });
    const answered = await plainCall;
    expect(answered.structured.text).toBe('Well, then goodbye.');
    const result = ended['result'] as Json;
    expect(withoutOccasion(result['structuredContent'])).toBe(withoutOccasion(answered.structured));
    expect(result).toMatchObject({ resultType: 'complete', content: expect.any(Array) });
    expect(result).not.toHaveProperty('isError');
  });

  test('a short generation and one that is refused are answered at once', async () => {
    expect(await callRaw(mcp, 'generate', { model, prompt: 'Hi' })).toMatchObject({
      resultType: 'complete',
      structuredContent: { text: 'echo: Hi' },
    });
    expect(await callRaw(mcp, 'generate', { model: 'mistral/', prompt: 'Hi', background: true })).toMatchObject({
      resultType: 'complete',
      isError: true,
    });
  });

  test('a comparison ends as compare_models answers', async () => {
    const args = { models: [model, 'mistral/mistral-small-2603'], prompt: 'Hi' };
    const { structured } = await plain.call('compare_models', args);
    const calls = upstream.calls.length;
    upstream.behave(async (call, { write, finish, held }) => {
      await held;
      write('echo: ');
      write(call.prompt);
      finish();
    });
    const task = await callRaw(mcp, 'compare_models', { ...args, background: true });
    expect(task).toMatchObject({ resultType: 'task', taskId: expect.stringMatching(/^cmp_/) });
    expect(await ask(mcp, 'tasks/get', task['taskId'])).toMatchObject({
      statusMessage: expect.stringContaining('0 of 2 models done; '),
    });
    await upstream.arrived(calls + 2);
    upstream.release();
    const { result } = await poll(mcp, task['taskId']);
    expect(withoutOccasion((result as Json)['structuredContent'])).toBe(withoutOccasion(structured));
  });

  test('a batch ends with its summary', async () => {
    const prompts = Array.from({ length: 6 }, (_, index) => `number ${index}`);
    const task = await callRaw(mcp, 'start_batch', { prompts, models: [model] });
    expect(task).toMatchObject({
      resultType: 'task',
      taskId: expect.stringMatching(/^bat_/),
      statusMessage: expect.stringMatching(/^\d of 6 done/),
      ttlMs: null,
    });
    const { status, result } = await poll(mcp, task['taskId']);
    const { structured } = await mcp.call('get_job', { job_id: task['taskId'] });
    expect(status).toBe('completed');
    expect((result as Json)['structuredContent']).toEqual(structured.batch);
    expect(structured.batch.counts.succeeded).toBe(6);
  });

  test('a generation that fails is completed with the tool’s error', async () => {
    upstream.behave(async (_call, { fail, held }) => {
      await held;
      fail(400, { message: 'That is not a prompt.' });
    });
    const calls = upstream.calls.length;
    const task = await callRaw(mcp, 'generate', { model, prompt: 'Hi', background: true });
    await upstream.arrived(calls + 1);
    upstream.release();
    const { status, result } = await poll(mcp, task['taskId']);
    expect([status, result]).toEqual([
      'completed',
      expect.objectContaining({
        isError: true,
        structuredContent: expect.objectContaining({ job_id: task['taskId'], status: 'failed' }),
      }),
    ]);
  });

  test('cancelling aborts it at the vendor', async () => {
    upstream.behave(async (_call, { write, held }) => {
      write('Well, ');
      await held;
    });
    const number = upstream.calls.length + 1;
    const task = await callRaw(mcp, 'generate', { model, prompt: 'Hi', background: true });
    await upstream.arrived(number);
    expect(await ask(mcp, 'tasks/cancel', task['taskId'])).not.toHaveProperty('status');
    expect(await poll(mcp, task['taskId'])).toMatchObject({ status: 'cancelled' });
    expect(upstream.calls[number - 1]?.abortedAt).toBeDefined();
    upstream.release();
  });

  test('cancelling a batch ends it, too', async () => {
    upstream.behave(async (_call, { held }) => held);
    const task = await callRaw(mcp, 'start_batch', { prompts: ['a', 'b', 'c'], models: [model] });
    await ask(mcp, 'tasks/cancel', task['taskId']);
    expect(await poll(mcp, task['taskId'])).toMatchObject({ status: 'cancelled' });
    upstream.release();
  });
});

test('another’s task is as unknown as one that never was', async () => {
  const face = modern[1] ?? { transport: 'HTTP', era: '2026-07-28' };
  const create = async (name: string) =>
    (await runAimm(deployment.environment, ['tokens', 'create', '--name', name, '--scopes', 'generate,read'])).stdout;
  const [own, others] = [await create('own'), await create('others')].map((token) => token.trim());
  const [mcp, other] = [await deployment.connect(face, own), await deployment.connect(face, others)];
  for (const task of [
    await callRaw(mcp, 'generate', { model, prompt: 'Hi', background: true }),
    await callRaw(mcp, 'start_batch', { prompts: ['a'], models: [model] }),
  ]) {
    const taskId = String(task['taskId'] ?? (task['structuredContent'] as Json)['job_id']);
    await ask(mcp, 'tasks/get', taskId);
    const never = taskId.replaceAll(/[0-9a-f]{12}$/g, '000000000000');
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const refusals = await Promise.all(
        [taskId, never].map((id) => ask(other, method, id).catch((error: Error & { code?: number }) => error)),
      );
      const [told, unknown] = refusals.map((error) => String(error['message']).replaceAll(taskId, never));
      expect([method, refusals.map(({ code }) => code), told]).toEqual([method, [-32_602, -32_602], unknown]);
    }
    expect(await poll(mcp, taskId)).toMatchObject({ status: 'completed' });
  }
});
