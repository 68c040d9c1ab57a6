import { RequestRecord } from '@aimm/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { mixedFaces } from '../support/mcp-client.ts';
import { type Caller, createCaller } from './support/caller.ts';
import { fuzz, inputs, timeFor } from './support/fuzz.ts';
import { heapOptions, readHeapMib } from './support/heap.ts';
import { oddText, oddValue } from './support/odd-values.ts';
import { toolArguments, withJob } from './support/tool-input.ts';
import { createWatch, type Watch, type Watched } from './support/watch.ts';

/** What one input may leave behind, beside what any number of them may. */
const heapGrowth = { perInputMib: 0.003, anywayMib: 20 };
const ended: unknown[] = ['succeeded', 'failed', 'cancelled'];

/** Ids of requests that were told to a client. */
const told = new Set<string>();
const jobs = () => [...told];

let watch: Watch;
let deployment: Deployment;
let callers: Caller[];
let worker: Watched;
beforeAll(async () => {
  watch = createWatch();
  deployment = await startDeployment({ environment: { ...watch.environment, ...heapOptions, LOG_LEVEL: 'info' } });
  deployment.vendors.say(() => ({ text: 'Paris.', inputTokens: 10, outputTokens: 2 }));
  callers = mixedFaces.map((face) => createCaller({ deployment, face, watch, told }));
  worker = { name: 'the worker', pid: deployment.worker?.pid ?? 0, log: () => deployment.worker?.log() ?? '' };
}, 60_000);
afterAll(() => deployment?.end());

const face = fc.nat(mixedFaces.length - 1);
const callerOf = (index: number) => callers[index] as Caller; // one per face
const requireSound = async () =>
  watch.requireSound(worker, ...(await Promise.all(callers.map((caller) => caller.front()))));

test('every tool answers whatever its arguments are', { timeout: timeFor(0.45) }, async () => {
  const [first] = await Promise.all(callers.map((caller) => caller.tools()));
  const calls = (first ?? []).map(({ name, inputSchema }) =>
    fc.record({ face, tool: fc.constant(name), args: toolArguments(inputSchema) }),
  );
  expect(calls.length).toBeGreaterThan(7);
  // What is loaded when it is first needed (the database, calendars) is no input's doing.
  for (const caller of callers) {
    await caller.call('get_usage_stats', { period: 'month', group_by: 'day', time_zone: 'Europe/Berlin' });
    await caller.call('list_conversations', { search: 'nothing' });
    await caller.call('generate', {
      prompt: 'What is there to load?',
      model: 'mistral/mistral-small-latest',
      save_conversation: true,
    });
  }
  const before = await Promise.all(callers.map(async (caller) => readHeapMib(await caller.front())));

  await fuzz(0.45, fc.oneof(...calls), async ({ face: index, tool, args }) => {
    await callerOf(index).call(tool, withJob(args, jobs()));
    await requireSound();
  });

  const after = await Promise.all(callers.map(async (caller) => readHeapMib(await caller.front())));
  const most = heapGrowth.anywayMib + inputs * heapGrowth.perInputMib;
  for (const [index, mib] of after.entries()) expect(mib - (before[index] ?? 0)).toBeLessThan(most);
});

test('whatever else is asked is refused in words', { timeout: timeFor(0.05) }, async () => {
  const question = fc.oneof(
    fc.record({ what: fc.constant('read' as const), text: oddText, value: fc.constant(undefined) }),
    fc.record({ what: fc.constant('prompt' as const), text: oddText, value: fc.dictionary(oddText, oddText) }),
    fc.record({ what: fc.constant('tool' as const), text: oddText, value: oddValue }),
  );
  const checked = await fuzz(0.05, fc.tuple(face, question), async ([index, { what, text, value }]) => {
    await callerOf(index).ask(({ client }) => {
      switch (what) {
        case 'read':
          return client.readResource({ uri: text });
        case 'prompt':
          return client.request({ method: 'prompts/get', params: { name: text, arguments: value } });
        case 'tool':
          return client.callTool({ name: text, arguments: value as Record<string, unknown> });
      }
    });
    await requireSound();
  });
  expect(checked).toBeGreaterThan(0);
});

test(
  'cancelling and reading at once, as often as one likes, ends in one answer',
  { timeout: timeFor(0.02) },
  async () => {
    const scenario = fc.record({
      models: fc.constantFrom(1, 2, 3),
      steps: fc.array(fc.tuple(face, fc.constantFrom('cancel_job', 'get_job')), { minLength: 2, maxLength: 6 }),
    });
    const names = ['mistral/mistral-medium-3-5', 'openai/gpt-6.1-terra', 'ollama/llama3.2'];
    await fuzz(0.02, scenario, async ({ models, steps }) => {
      const ask = { prompt: 'Hi', background: true };
      const { text } =
        models === 1
          ? await callerOf(0).call('generate', { ...ask, model: names[0] })
          : await callerOf(0).call('compare_models', { ...ask, models: names.slice(0, models) });
      const [id] = /(?:gen|cmp)_[0-9a-f-]{36}/.exec(text) ?? [];
      if (id === undefined) throw new Error(`no job_id in: ${text}`);
      await Promise.all(
        steps.map(([index, tool]) =>
          callerOf(index).call(tool, tool === 'get_job' ? { job_id: id, wait_seconds: 4 } : { job_id: id }),
        ),
      );
      const ends = [
        (await callerOf(0).call('get_job', { job_id: id })).status,
        (await callerOf(1).call('get_job', { job_id: id })).status,
      ];
      expect(ended).toContain(ends[0]);
      expect(ends[1]).toBe(ends[0]);
      await requireSound();
    });
  },
);

test('at the end nothing is in Redis that nobody asked for', async () => {
  const redis = deployment.redis.client();
  const records = await Promise.all(jobs().map((id) => redis.get(`{aimm}:request:${id}`)));
  const children = records.flatMap((json) =>
    json === null ? [] : (RequestRecord.parse(JSON.parse(json)).children ?? []),
  );
  const known = new Set([
    ...jobs(),
    ...children.map(({ requestId }) => requestId),
    // A judge's generation.
    ...jobs().map((id) => id.replace('cmp_', 'gen_')),
  ]);
  const requests = (await deployment.requestIds()).filter((id) => !id.startsWith('probe_'));
  expect(requests.filter((id) => !known.has(id))).toEqual([]);
  expect((await redis.keys('*')).filter((key) => !key.startsWith('{aimm}:'))).toEqual([]);
});
