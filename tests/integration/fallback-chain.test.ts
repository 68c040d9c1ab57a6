import type { Outcome } from '@aimm/contracts';
import { createManager, type ProgressEvent } from '@aimm/manager';
import { createProducer } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startWorkerProcess } from '../support/processes.ts';
import { type RoutedSystem, startRoutedSystem } from '../support/routed-system.ts';
import { ask, me } from '../support/system.ts';
import { operator } from '../support/asker.ts';
import { type Behaviour, echo } from '../support/upstream.ts';

const cooldown = { failureShare: 0.5, minimumFailures: 3, windowSeconds: 60, firstSeconds: 30, maxSeconds: 60 };
const refuse =
  (status: number, code: string): Behaviour =>
  (_call, { fail }) =>
    fail(status, { error: { message: code, code, type: code } });

let system: RoutedSystem<'one' | 'two' | 'three'>;
beforeAll(async () => {
  system = await startRoutedSystem(
    { one: { concurrency: 2, cooldown: false }, two: { cooldown }, three: { cooldown: false } },
    {
      routing: {
        fallbacks: {
          'one/m': ['two/m', 'three/m'],
          'one/small': ['three/small', 'three/large'],
          'two/n': { models: ['three/n'], onContentFiltered: true },
        },
      },
      models: [
        { provider: 'one', id: 'small', contextWindow: 1_000 },
        { provider: 'three', id: 'small', contextWindow: 1_000 },
        { provider: 'three', id: 'large', contextWindow: 100_000 },
      ],
    },
  );
});
afterAll(() => system.close());
beforeEach(() => Object.values(system.vendors).forEach((vendor) => vendor.behave(echo)));

const arrivals = (marker: string) =>
  Object.entries(system.vendors).flatMap(([id, { calls }]) =>
    calls.filter(({ prompt }) => prompt === marker).map(({ model }) => `${id}/${model}`),
  );
const generate = (marker: string, more: object) => system.manager.generate(me, { ...ask(marker), ...more });
const messages = (answer: { warnings: { message: string }[] }) => answer.warnings.map(({ message }) => message);

test('a chain of three providers: the first fails for good, the second is set aside, the third answers', async () => {
  const { one, two } = system.vendors;
  two.behave(refuse(500, 'broken'));
  for (let index = 0; index < 3; index += 1)
    await (await generate('breaks', { model: 'two/m' })).result.catch(() => undefined);
  const asideOf = async () => {
    const { providers } = await system.manager.health(operator, { provider: 'two' });
    return providers.flatMap(({ cooldowns = [] }) => cooldowns.map(({ model }) => model));
  };
  await expect.poll(asideOf).toEqual(['m']);

  one.behave(refuse(401, 'invalid_api_key'));
  const { requestId, result } = await generate('chain', { model: 'one/m' });
  const answer = await result;
  expect(answer).toMatchObject({ requestId, provider: 'three', text: 'echo: chain', fallbackFrom: 'one/m', calls: 2 });
  expect(messages(answer).filter((message) => message.includes('asked instead'))).toEqual([
    expect.stringMatching(/^one\/m failed \(authentication: .*three\/m was asked instead \(two\/m set aside, too\)\.$/),
  ]);
  expect(arrivals('chain')).toEqual(['one/m', 'three/m']);
  expect(await system.manager.getJob(me, requestId)).toMatchObject({ status: 'succeeded', model: 'three/m' });

  // Where the first choice is set aside nobody waits in its queue to be told so.
  const redirected = await (await generate('at once', { model: 'two/m', fallbacks: ['three/m'] })).result;
  expect(redirected).toMatchObject({ provider: 'three', fallbackFrom: 'two/m', calls: 1 });
  expect(messages(redirected)).toContainEqual(
    expect.stringMatching(
      /^two\/m was not asked: two\/m is set aside: 3 of its last 3 calls failed \(server_error\)\..*three\/m was asked instead\.$/,
    ),
  );
  expect(arrivals('at once')).toEqual(['three/m']);
});

test('a request larger than the tokens of a minute goes to its fallback at once, and nobody waits for it', async () => {
  const { one } = system.vendors;
  const message = 'Request too large for m on tokens per min (TPM): Limit 30000, Requested 61337.';
  one.behave((call, tools) => {
    if (call.prompt === 'small') return echo(call, tools);
    tools.fail(429, { error: { message, type: 'tokens', code: 'rate_limit_exceeded' } });
  });
  const answer = await (await generate('too large', { model: 'one/m', fallbacks: ['three/m'] })).result;
  expect(answer).toMatchObject({ provider: 'three', fallbackFrom: 'one/m', calls: 2 });
  expect(messages(answer).join()).toContain('61,337 tokens where 30,000 fit');
  expect(arrivals('too large')).toEqual(['one/m', 'three/m']);
  const { latency } = await (await generate('small', { model: 'one/m' })).result;
  // The shortest hold is 5 s.
  expect(latency.queueMs).toBeLessThan(4_000);
});

test('a request is cancelled while its fallback is asked: that call is broken off, and the next is never asked', async () => {
  const { one, two } = system.vendors;
  one.behave(refuse(401, 'invalid_api_key'));
  two.behave((_call, { held }) => held);
  const before = two.calls.length;
  const { requestId, result } = await generate('cancelled in a hop', {
    model: 'one/n',
    fallbacks: ['two/x', 'three/m'],
  });
  await two.arrived(before + 1);
  const cancelledAt = Date.now();
  expect(await system.manager.cancelJob(me, requestId)).toMatchObject({ requestId, status: 'cancelled' });
  await expect(result).rejects.toMatchObject({ code: 'cancelled' });
  await expect.poll(() => two.calls[before]?.abortedAt).toBeGreaterThanOrEqual(cancelledAt - 1);
  two.release();
  expect(arrivals('cancelled in a hop')).toEqual(['one/n', 'two/x']);
});

test('the request’s own fallbacks stand in place of the configured ones', async () => {
  system.vendors.one.behave(refuse(401, 'invalid_api_key'));
  const answer = await (await generate('own', { model: 'one/m', fallbacks: ['three/n'] })).result;
  expect(answer).toMatchObject({ provider: 'three', model: 'n', fallbackFrom: 'one/m' });
  await expect((await generate('none', { model: 'one/m', fallbacks: [] })).result).rejects.toMatchObject({
    code: 'authentication',
  });
  expect([arrivals('own'), arrivals('none')]).toEqual([['one/m', 'three/n'], ['one/m']]);
});

test('progress names the model that is asked, and in whose queue the request waits', async () => {
  const { one, two } = system.vendors;
  one.behave(refuse(401, 'invalid_api_key'));
  // The fallback is put aside before it begins: its place is in the queue of another provider.
  let refusals = 0;
  two.behave((call, tools) => {
    if (call.prompt !== 'told' || refusals++ > 0) return echo(call, tools);
    tools.fail(429, { error: { message: 'slow down' } }, { 'retry-after': '2' });
  });
  const told: ProgressEvent[] = [];
  const asked = { ...ask('told'), model: 'one/x', fallbacks: ['two/y'] };
  const { result } = await system.manager.generate(me, asked, { onProgress: (event) => told.push(event) });
  expect(await result).toMatchObject({ provider: 'two', model: 'y' });
  const names = told.flatMap((event) =>
    event.type === 'started' || event.type === 'queued' ? [`${event.type} ${event.provider}/${event.model}`] : [],
  );
  const first = names.indexOf('started one/x');
  expect(first).not.toBe(-1);
  expect(new Set(names.slice(first + 1))).toEqual(new Set(['started two/y', 'queued two/y']));
});

test('a prompt that is too long goes to a model with more room, past one without', async () => {
  system.vendors.one.behave(refuse(400, 'context_length_exceeded'));
  const answer = await (await generate('too long', { model: 'one/small' })).result;
  expect(answer).toMatchObject({ model: 'large', fallbackFrom: 'one/small' });
  expect(arrivals('too long')).toEqual(['one/small', 'three/large']);
});

test('what one model would not say is asked of another only where the chain says so', async () => {
  system.vendors.one.behave(refuse(400, 'content_filter'));
  system.vendors.two.behave(refuse(400, 'content_filter'));
  await expect((await generate('refused', { model: 'one/m' })).result).rejects.toMatchObject({
    code: 'content_filtered',
  });
  expect(await (await generate('allowed', { model: 'two/n' })).result).toMatchObject({ model: 'n', provider: 'three' });
  expect([arrivals('refused'), arrivals('allowed')]).toEqual([['one/m'], ['two/n', 'three/n']]);
});

test('never inside a comparison', async () => {
  system.vendors.one.behave(refuse(401, 'invalid_api_key'));
  const { result } = await system.manager.compare(me, { ...ask('compared'), models: ['one/m', 'three/n'] });
  expect((await result).entries.map(({ error, result: answer }) => error?.code ?? answer?.text)).toEqual([
    'authentication',
    'echo: compared',
  ]);
  expect(arrivals('compared').toSorted()).toEqual(['one/m', 'three/n']);
});

describe('a request that waited as long as it may', () => {
  async function fillOne() {
    const { one } = system.vendors;
    const before = one.calls.length;
    one.behave(async (_call, { held, finish }) => {
      await held;
      finish({ text: 'late' });
    });
    const busy = await Promise.all(
      [1, 2].map((number) => generate(`busy ${number}`, { model: 'one/m', fallbacks: [] })),
    );
    await one.arrived(before + 2);
    onTestFinished(async () => {
      one.release();
      await Promise.all(busy.map(({ result }) => result));
    });
    return busy;
  }

  test('is answered by the next model, and the first is never called', async () => {
    await fillOne();
    const told: ProgressEvent[] = [];
    const asked = { ...ask('impatient'), model: 'one/m', fallbacks: ['three/m'], maxWaitMs: 300 };
    const { result } = await system.manager.generate(me, asked, { onProgress: (event) => told.push(event) });
    expect(await result).toMatchObject({ provider: 'three', fallbackFrom: 'one/m', calls: 1 });
    // Whoever waits is told of the model that is asked, not of the one that was too busy.
    expect(told.filter(({ type }) => type === 'started')).toEqual([{ type: 'started', provider: 'three', model: 'm' }]);
    expect(arrivals('impatient')).toEqual(['three/m']);
  });

  test('is so also when its front has gone', async () => {
    await fillOne();
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '', AIMM_CONFIG_DIR: configDir } = system.env;
    const front = await createManager({ redisUrl, databaseUrl, configDir, raw: system.env, logger });
    const { requestId } = await front.generate(me, {
      ...ask('left alone'),
      model: 'one/m',
      fallbacks: ['three/m'],
      maxWaitMs: 300,
    });
    await front.close();
    expect(await system.manager.getJob(me, requestId, { waitMs: 600 })).toMatchObject({ status: 'queued' });
    system.vendors.one.release();
    expect(await system.manager.getJob(me, requestId, { waitMs: 20_000 })).toMatchObject({
      status: 'succeeded',
      model: 'three/m',
      generation: { fallbackFrom: 'one/m' },
    });
    expect(arrivals('left alone')).toEqual(['three/m']);
  });

  test('is not lost when its front died halfway through handing it over', async () => {
    const lone = await startRoutedSystem({ one: {}, two: {} });
    onTestFinished(() => lone.close());
    await lone.worker.end('SIGKILL');
    const { requestId } = await lone.manager.generate(me, { ...ask('halfway'), model: 'one/m', fallbacks: ['two/m'] });
    const error = { code: 'timeout', message: 'still busy', retryable: false } as const;
    const outcome: Outcome = { status: 'failed', error, continues: true, next: 'two/m' };
    await lone.redis.client().hset(`{aimm}:one:${requestId}`, { 'aimm:outcome': JSON.stringify(outcome) });
    const worker = await startWorkerProcess(lone.env);
    onTestFinished(async () => void (await worker.end('SIGKILL')));
    expect(await lone.manager.getJob(me, requestId, { waitMs: 20_000 })).toMatchObject({
      status: 'succeeded',
      model: 'two/m',
    });
    expect([lone.vendors.one.calls.length, lone.vendors.two.calls.length]).toEqual([0, 1]);
  });
});

test('a job that had fallen back and is run again asks nobody, though the job that followed it is gone by then', async () => {
  system.vendors.one.behave(refuse(401, 'invalid_api_key'));
  const { requestId, result } = await generate('run again', { model: 'one/small' });
  expect((await result).provider).toBe('three');
  const redis = system.redis.client();
  const failures = () => redis.zscore('{aimm}:one:failed', requestId);
  await expect.poll(() => redis.zrem('{aimm}:three:completed', `${requestId}-hop1`)).toBe(1);
  await redis.unlink(`{aimm}:three:${requestId}-hop1`);
  await expect.poll(failures).not.toBeNull();
  const producer = createProducer({
    redis,
    logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
  });
  onTestFinished(() => producer.close());
  await expect.poll(() => producer.runAgain('one', requestId)).toBe(true);
  await expect.poll(() => redis.hget(`{aimm}:one:${requestId}`, 'ats')).toBe('2');
  await expect.poll(failures).not.toBeNull();
  expect(await redis.exists(`{aimm}:three:${requestId}-hop1`)).toBe(0);
  expect(arrivals('run again')).toEqual(['one/small', 'three/small']);
});
