import type { ProgressEvent } from '@aimm/manager';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { startWorkerProcess } from '../support/processes.ts';
import { type RoutedProviders, startRoutedSystem } from '../support/routed-system.ts';
import { ask, me } from '../support/system.ts';
import { operator } from '../support/asker.ts';
import type { Behaviour } from '../support/upstream.ts';

const cooldown = { failureShare: 0.5, minimumFailures: 3, windowSeconds: 60, firstSeconds: 1, maxSeconds: 8 };
const broken: Behaviour = (_call, { fail }) => fail(500, { error: { message: 'broken' } });

let close: (() => Promise<void>) | undefined;
afterEach(() => close?.());

async function start<P extends RoutedProviders>(providers: P, options?: Parameters<typeof startRoutedSystem<P>>[1]) {
  const system = await startRoutedSystem(providers, options);
  close = () => system.close();
  const fails = async (model: string, count: number) => {
    for (let index = 0; index < count; index += 1) {
      const { result } = await system.manager.generate(me, { ...ask(`fails ${index}`), model });
      await expect(result).rejects.toMatchObject({ code: 'server_error' });
    }
  };
  const states = async () => {
    const { providers: found } = await system.manager.health(operator);
    return found.flatMap(({ cooldowns = [] }) =>
      cooldowns.map(({ provider, model = '*', state, failures }) => `${provider}/${model} ${state} ${failures}`),
    );
  };
  return { system, fails, states };
}

test('a model that keeps failing is left alone, then asked by one request only, and everybody who waited is answered', async () => {
  const { system, fails, states } = await start({ one: { cooldown } });
  const { one } = system.vendors;
  one.behave(broken);
  await fails('one/m', 3);
  await expect.poll(states).toEqual([expect.stringMatching(/^one\/m (open|due) 3$/)]);
  const health = await system.manager.health(operator);
  const until = health.providers.find(({ provider }) => provider === 'one')?.cooldowns?.[0]?.until ?? 0;

  one.behave(async (_call, { held, write, finish }) => {
    await held;
    write('well again');
    finish();
  });
  const events: ProgressEvent[] = [];
  const onProgress = (event: ProgressEvent) => void events.push(event);
  const waiting = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      system.manager.generate(me, { ...ask(`waits ${index}`), model: 'one/m' }, { onProgress }),
    ),
  );
  await one.arrived(4);
  expect(one.calls[3]?.arrivedAt).toBeGreaterThanOrEqual(until - 5);
  await expect.poll(states).toEqual(['one/m probing 3']);
  // Nobody else may have come by the time that the others have asked again.
  await expect
    .poll(() => events.filter(({ type }) => type === 'waiting').length, { timeout: 5_000 })
    .toBeGreaterThanOrEqual(12);
  expect(one.calls.length).toBe(4);
  expect(events.find(({ type }) => type === 'waiting')).toMatchObject({
    reason: { code: 'unavailable', message: expect.stringContaining('one/m is set aside: 3 of its last 3 calls') },
  });

  one.behave((_call, { write, finish }) => {
    write('well again');
    finish();
  });
  one.release();
  const answers = await Promise.all(waiting.map(({ result }) => result));
  expect(answers.map(({ text, calls }) => [text, calls])).toEqual(answers.map(() => ['well again', 1]));
  expect(one.calls.length).toBe(13);
  await expect.poll(states).toEqual([]);
});

test('each failed probe sets it aside for longer, in every worker process, and success forgets that', async () => {
  const { system, fails, states } = await start({ one: { cooldown: { ...cooldown, firstSeconds: 0.3 } } });
  const second = await startWorkerProcess(system.env);
  onTestFinished(async () => void (await second.end('SIGKILL')));
  const { one } = system.vendors;
  one.behave(broken);
  await fails('one/m', 3);
  await expect.poll(states).toEqual([expect.stringMatching(/^one\/m (open|due) 3$/)]);
  for (let index = 0; index < 3; index += 1) {
    const { result } = await system.manager.generate(me, { ...ask(`probe ${index}`), model: 'one/m' });
    await expect(result).rejects.toMatchObject({ code: 'server_error' });
    await expect.poll(states).toEqual([expect.stringMatching(`^one/m (open|due) ${4 + index}$`)]);
  }
  const probes = one.calls.slice(2).map(({ arrivedAt }) => arrivedAt);
  const gaps = probes.slice(1).map((at, index) => at - (probes[index] ?? 0));
  // 0.3 s, 0.6 s, 1.2 s, each up to a tenth shorter.
  expect(gaps.map((gap, index) => gap >= 270 * 2 ** index)).toEqual([true, true, true]);
  one.behave((_call, { finish }) => finish({ text: 'back' }));
  const { result } = await system.manager.generate(me, { ...ask('back?'), model: 'one/m' });
  expect((await result).text).toBe('back');
  await expect.poll(states).toEqual([]);
});

test('a model that fails leaves its provider’s other models alone; two that fail set the provider aside', async () => {
  const { system, fails, states } = await start({ one: { cooldown: { ...cooldown, firstSeconds: 60 } } });
  const { one } = system.vendors;
  one.behave((call, tools) => (call.model === 'm' ? broken(call, tools) : tools.finish({ text: 'fine' })));
  const n = async () => (await (await system.manager.generate(me, { ...ask('n'), model: 'one/n' })).result).text;
  expect(await n()).toBe('fine');
  await fails('one/m', 3);
  await expect.poll(states).toEqual(['one/m open 3']);
  expect(await n()).toBe('fine');

  one.behave(broken);
  await fails('one/n', 2);
  await fails('one/other', 1);
  await expect.poll(states).toEqual(['one/* open 3', 'one/m open 3']);
});

test('rate limits, refused requests and impatient askers set nothing aside', async () => {
  const { system, states } = await start({ one: { cooldown: { ...cooldown, minimumFailures: 1 } } });
  const { one } = system.vendors;
  const error = async (more: object = {}) => {
    const { result } = await system.manager.generate(me, { ...ask('no'), model: 'one/m', ...more });
    return result.then(
      () => 'answered',
      ({ code }: { code: string }) => code,
    );
  };
  one.behave((_call, { fail }) => fail(400, { error: { message: 'no such thing' } }));
  expect(await error()).toBe('invalid_request');
  one.behave(() => undefined);
  expect(await error({ timeoutMs: 200 })).toBe('timeout');
  one.behave((_call, { fail }) => fail(429, { error: { message: 'slow down' } }, { 'retry-after': '60' }));
  expect(await error({ maxWaitMs: 1_000 })).toBe('rate_limited');
  expect(await states()).toEqual([]);
});

test('a request that may not wait that long is told so at once, and nobody is called', async () => {
  const { system, fails, states } = await start({ one: { cooldown: { ...cooldown, firstSeconds: 60 } } });
  system.vendors.one.behave(broken);
  await fails('one/m', 3);
  await expect.poll(states).toEqual(['one/m open 3']);
  const { result } = await system.manager.generate(me, { ...ask('hurry'), model: 'one/m', maxWaitMs: 5_000 });
  await expect(result).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('one/m is set aside'),
    hint: expect.stringContaining('fallbacks'),
  });
  expect(system.vendors.one.calls.length).toBe(3);
});

test('a worker that has not heard yet of what another one set aside calls nobody either', async () => {
  const { system } = await start({ one: { cooldown } });
  const { result } = await system.manager.generate(me, { ...ask('still well'), model: 'one/m' });
  await result;
  const now = Date.now();
  const entry = { since: now, until: now + 60_000, round: 0, failures: 3, calls: 3, code: 'server_error' };
  await system.redis.client().hset('{aimm}:cooldowns', 'one/m', JSON.stringify(entry));
  const { result: refused } = await system.manager.generate(me, { ...ask('now'), model: 'one/m', maxWaitMs: 5_000 });
  await expect(refused).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('set aside') });
  expect(system.vendors.one.calls.length).toBe(1);
});

test('with cooldown switched off everything is tried', async () => {
  const { system, fails, states } = await start({ one: { cooldown: false } });
  system.vendors.one.behave(broken);
  await fails('one/m', 8);
  expect(system.vendors.one.calls.length).toBe(8);
  expect(await states()).toEqual([]);
});
