import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { GenerateAsk, Manager } from '@aimm/manager';
import { describe, expect, test, vi } from 'vitest';
import { caller, toMessages } from '../support/asker.ts';
import { createFaultStack, type FaultStack, type ProvidersContent } from '../support/fault-stack.ts';

const fileOf = (stack: FaultStack) => join(stack.env['AIMM_CONFIG_DIR'] ?? '', 'providers.json');
const read = async (stack: FaultStack) => JSON.parse(await readFile(fileOf(stack), 'utf8')) as ProvidersContent;
const quick = { timeout: 15_000, interval: 20 };
const inForce = 'read anew and is in force';
const count = (log: string) => log.split(inForce).length - 1;

/** Changes providers.json, and waits until every worker goes by it. */
async function change(stack: FaultStack, edit: (file: ProvidersContent) => void): Promise<void> {
  const file = await read(stack);
  edit(file);
  const before = stack.workers.map((worker) => count(worker.log()));
  await writeFile(fileOf(stack), JSON.stringify(file));
  const isEverywhere = () => stack.workers.every((worker, index) => count(worker.log()) > (before[index] ?? 0));
  await vi.waitUntil(isEverywhere, { timeout: 15_000, interval: 20 });
}

const mistral = { kind: 'mistral', apiKeyVariables: ['MISTRAL_API_KEY'], attempts: 1 };

const isLong = process.env['FAULT_ROUNDS'] !== undefined;

describe.each(isLong ? [1, 2] : [2])('%i worker processes', (workers) => {
  test('run as many calls at once as the file says now: of a provider, a model and a client, raised and lowered while jobs run', async () => {
    const limit = (calls: number) => (file: ProvidersContent) => {
      for (const provider of file.providers) {
        if (provider.id === 'narrow') provider.concurrency = calls;
        if (provider.id === 'by-model') provider.models = { one: { concurrency: calls } };
      }
      file.clients = { 'by-client': { concurrency: calls } };
    };
    const stack = await createFaultStack({
      change(file) {
        const own = { ...mistral, concurrency: 40, baseUrl: 'http://127.0.0.1:1' };
        file.providers.push({ ...own, id: 'narrow' }, { ...own, id: 'by-model' }, { ...own, id: 'free' });
        limit(2)(file);
      },
    });
    /** Calls under way at each arrival, this one included, by model. */
    const arrivals = new Map<string, number[]>();
    const underWay = new Map<string, number>();
    let held = true;
    stack.upstream.behave(async (call, tools) => {
      const now = (underWay.get(call.model) ?? 0) + 1;
      underWay.set(call.model, now);
      arrivals.set(call.model, [...(arrivals.get(call.model) ?? []), now]);
      if (held) await tools.held;
      else await delay(30);
      underWay.set(call.model, (underWay.get(call.model) ?? 1) - 1);
      tools.finish({ text: 'done' });
    });
    const endpoints = Object.fromEntries(
      ['NARROW', 'BY_MODEL', 'FREE'].map((name) => [`${name}_BASE_URL`, stack.upstream.url]),
    );
    await Promise.all(Array.from({ length: workers }, () => stack.startWorker(endpoints)));
    const front = await stack.openFront();
    const lanes = ['narrow/provider', 'by-model/one', 'free/client'];
    const asked = await Promise.all(
      lanes.flatMap((model) =>
        Array.from({ length: 16 }, (_, index) => {
          const ask: GenerateAsk = { model, settings: {}, messages: toMessages(`${model} ${index}`) };
          return front.generate({ client: model === 'free/client' ? 'by-client' : 'tests', admin: false }, ask);
        }),
      ),
    );
    const models = lanes.map((lane) => lane.slice(lane.indexOf('/') + 1));
    const reach = async (calls: number) => {
      const all = models.map(() => calls);
      await expect.poll(() => models.map((model) => underWay.get(model)), quick).toEqual(all);
    };
    await reach(2);
    const most = () => models.map((model) => Math.max(...(arrivals.get(model) ?? [])));
    expect(most()).toEqual([2, 2, 2]);
    await change(stack, limit(5));
    // All of them are held: nobody's end makes room, only the change does.
    await reach(5);
    expect(most()).toEqual([5, 5, 5]);

    await change(stack, limit(1));
    arrivals.clear();
    held = false;
    stack.upstream.release();
    await Promise.all(asked.map(({ result }) => result));
    expect(models.map((model) => arrivals.get(model)?.length)).toEqual([11, 11, 11]);
    expect(most()).toEqual([1, 1, 1]);
  });
});

const ask = (front: Manager, text: string, more: Partial<GenerateAsk> = {}) =>
  front.generate(caller, { model: 'later/some-model', settings: {}, ...more, messages: toMessages(text) });
const later = (stack: FaultStack) => ({ ...mistral, id: 'later', baseUrl: stack.upstream.url, concurrency: 1 });
const withLater = (stack: FaultStack) => (file: ProvidersContent) => void file.providers.push(later(stack));
const withoutLater = (file: ProvidersContent) => {
  file.providers = file.providers.filter(({ id }) => id !== 'later');
};
const knows = async (front: Manager) => (await front.listProviders()).some(({ id }) => id === 'later');
const removed = {
  code: 'unknown_model',
  provider: 'later',
  message: 'The provider "later" was removed from config/providers.json.',
};

test('a provider that is added to the file is served, removed its waiting jobs are told so, put back it is served again', async () => {
  const stack = await createFaultStack({ provider: {} });
  await Promise.all([stack.startWorker(), stack.startWorker()]);
  const front = await stack.openFront();
  await expect(ask(front, 'too early')).rejects.toMatchObject({
    code: 'unknown_model',
    message: expect.stringContaining('unknown provider "later"') as string,
  });

  await change(stack, withLater(stack));
  await expect.poll(() => knows(front)).toBe(true);
  expect(await (await ask(front, 'first')).result).toMatchObject({ text: 'echo: first', provider: 'later' });
  const health = await front.health({ client: 'root', admin: true }, {});
  expect(health.queue.queues.map(({ name }) => name)).toContain('later');

  stack.upstream.behave(async (call, { held, write, finish }) => {
    if (call.prompt === 'running') await held;
    write(call.prompt);
    finish();
  });
  const running = await ask(front, 'running');
  await stack.upstream.arrived(2);
  const waiting = [await ask(front, 'waiting'), await ask(front, 'waiting, too')];
  const elsewhere = await ask(front, 'elsewhere', { fallbacks: ['mistral/mistral-small-latest'] });
  const redis = stack.redis.client();
  // A pause that nobody would have waited for either.
  await redis.set('{aimm}:later:limiter', String(Number.MAX_SAFE_INTEGER), 'PX', 600_000);
  await change(stack, withoutLater);
  for (const { result } of waiting) await expect(result).rejects.toMatchObject(removed);
  expect(await elsewhere.result).toMatchObject({ provider: 'mistral', fallbackFrom: 'later/some-model' });
  await expect.poll(() => knows(front)).toBe(false);
  await expect(ask(front, 'too late')).rejects.toMatchObject({
    code: 'unknown_model',
    message: expect.stringContaining('unknown provider "later"') as string,
  });
  stack.upstream.release();
  expect(await running.result).toMatchObject({ text: 'running', provider: 'later' });

  await change(stack, withLater(stack));
  await expect.poll(() => knows(front)).toBe(true);
  const back = await Promise.all([ask(front, 'back'), ask(front, 'back, too')]);
  for (const { result } of back) expect(await result).toMatchObject({ provider: 'later' });
  expect(stack.upstream.calls.map(({ prompt }) => prompt).filter((prompt) => prompt.startsWith('waiting'))).toEqual([]);
});

test('what waits for a provider that was removed while no worker ran is told so once nobody has served it for ten minutes', async () => {
  const stack = await createFaultStack({
    change: (file) => void file.providers.push({ ...mistral, id: 'later', baseUrl: 'http://127.0.0.1:1' }),
  });
  const first = await stack.startWorker();
  await first.end();
  const front = await stack.openFront();
  const waiting = await ask(front, 'left alone');
  await writeFile(
    fileOf(stack),
    JSON.stringify({
      ...(await read(stack)),
      providers: (await read(stack)).providers.filter(({ id }) => id !== 'later'),
    }),
  );
  await stack.startWorker();
  // It may be another machine's, which is away for a moment.
  await stack.answer(front, 'somebody works');
  expect(await front.getJob(caller, waiting.requestId)).toMatchObject({ status: 'queued' });
  await stack.redis.client().zadd('{aimm}:served', Date.now() - 11 * 60_000, 'later');
  await expect(waiting.result).rejects.toMatchObject(removed);
});

describe('a change of the configuration', () => {
  test('holds for running workers once its file is saved: more requests per minute', async () => {
    const stack = await createFaultStack({
      provider: { requestsPerMinute: 6, attempts: 1 },
      env: { MISTRAL_RPM: '' },
    });
    await Promise.all([stack.startWorker(), stack.startWorker()]);
    const front = await stack.openFront();
    await stack.answer(front, 'the first of six in a minute');
    await change(stack, (file) => {
      for (const provider of file.providers) if (provider.id === 'mistral') provider.requestsPerMinute = 6_000;
    });
    const startedAt = Date.now();
    await stack.answer(front, 'still owes for the first');
    const asked = await Promise.all(Array.from({ length: 20 }, (_, index) => stack.generate(front, `free ${index}`)));
    await Promise.all(asked.map(({ result }) => result));
    // At six a minute it would take three minutes.
    expect(Date.now() - startedAt).toBeLessThan(15_000);
  });

  test('with faults is told, all at once, and what was in force stays so; SIGHUP reads it anew, changed or not', async () => {
    const stack = await createFaultStack({ provider: { models: { narrow: { concurrency: 1 } } } });
    const worker = await stack.startWorker();
    const front = await stack.openFront();
    const content = await read(stack);
    const faulty = content.providers.map((provider) =>
      provider.id === 'mistral'
        ? { ...provider, requestsPerMinute: 'many', models: { narrow: { concurrency: 0 } } }
        : provider,
    );
    await writeFile(fileOf(stack), JSON.stringify({ providers: faulty }));
    await vi.waitUntil(() => worker.log().includes('the one before stays in force'), 10_000);
    const line = worker
      .log()
      .split('\n')
      .find((each) => each.includes('the one before stays in force'));
    expect(line).toContain('requestsPerMinute');
    expect(line).toContain('models.narrow.concurrency');
    expect((await stack.answer(front, 'as before')).text).toContain('as before');

    await writeFile(fileOf(stack), JSON.stringify(content));
    await vi.waitUntil(() => count(worker.log()) === 1, 10_000);
    worker.signal('SIGHUP');
    await vi.waitUntil(() => count(worker.log()) === 2, 10_000);
    expect((await stack.answer(front, 'as before')).text).toContain('as before');
  });
});
