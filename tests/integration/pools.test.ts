import { expect, onTestFinished, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { startWorkerProcess } from '../support/processes.ts';
import { startRoutedSystem } from '../support/routed-system.ts';
import { ask, me } from '../support/system.ts';
import type { Behaviour } from '../support/upstream.ts';

const pools = { llama: ['fast/m', 'slow/m'] };

/** The vendor's own pace: what is measured, and no wait for something to happen. */
const within =
  (ms: number): Behaviour =>
  async (_call, { finish }) => {
    await delay(ms);
    finish({ text: 'done' });
  };

async function start(providers: { fast: object; slow: object }) {
  const system = await startRoutedSystem(
    { fast: { ...providers.fast }, slow: { ...providers.slow } },
    { routing: { pools } },
  );
  onTestFinished(() => system.close());
  return system;
}

test('of two equal hosts the one that is three times as fast serves clearly more, and neither idles while the other has a queue', async () => {
  const system = await start({ fast: { concurrency: 2 }, slow: { concurrency: 2 } });
  const second = await startWorkerProcess(system.env);
  onTestFinished(async () => void (await second.end('SIGKILL')));
  const { fast, slow } = system.vendors;
  // Long beside what a busy machine adds.
  fast.behave(within(200));
  slow.behave(within(600));
  const accepted = await Promise.all(
    Array.from({ length: 60 }, (_, index) => system.manager.generate(me, { ...ask(`piece ${index}`), model: 'llama' })),
  );
  const answers = await Promise.all(accepted.map(({ result }) => result));
  expect(answers.map(({ text, calls, fallbackFrom }) => [text, calls, fallbackFrom])).toEqual(
    answers.map(() => ['done', 1, undefined]),
  );
  expect(fast.calls.length + slow.calls.length).toBe(60);
  expect(fast.calls.length).toBeGreaterThan(1.6 * slow.calls.length);
  // Neither was left with a queue of its own at the end: both end within two of the slow one's calls.
  const lastOf = (vendor: typeof fast) => Math.max(...vendor.calls.map(({ answeredAt = 0 }) => answeredAt));
  expect(Math.abs(lastOf(fast) - lastOf(slow))).toBeLessThan(2 * 600 + 200);
  const ids = new Set(accepted.map(({ requestId }) => requestId));
  expect(ids.size).toBe(60);
});

test('a job that waits behind a long call is taken over by a host that comes back', async () => {
  const system = await start({ fast: { concurrency: 1 }, slow: { concurrency: 1 } });
  const { fast, slow } = system.vendors;
  const hold: Behaviour = async (_call, { held, finish }) => {
    await held;
    finish({ text: 'held' });
  };
  fast.behave(hold);
  slow.behave(hold);
  const first = await Promise.all(
    [1, 2, 3, 4].map((number) => system.manager.generate(me, { ...ask(`job ${number}`), model: 'llama' })),
  );
  await Promise.all([fast.arrived(1), slow.arrived(1)]);
  // Two wait, one at each; the fast host does both while the slow one still holds its first call.
  fast.behave(within(1));
  fast.release();
  await fast.arrived(3);
  expect(slow.calls.length).toBe(1);
  slow.release();
  expect((await Promise.all(first.map(({ result }) => result))).map(({ text }) => text).toSorted()).toEqual([
    'done',
    'done',
    'held',
    'held',
  ]);
});

test('a member that fails has its equals asked, and one that is set aside is not chosen', async () => {
  const cooldown = { minimumFailures: 2, firstSeconds: 60 };
  const system = await start({ fast: { cooldown }, slow: { cooldown } });
  system.vendors.slow.behave((_call, { fail }) => fail(500, { error: { message: 'broken' } }));
  system.vendors.fast.behave(within(1));
  const answers = [];
  for (let index = 0; index < 12; index += 1) {
    const { result } = await system.manager.generate(me, { ...ask(`number ${index}`), model: 'llama' });
    answers.push(await result);
  }
  expect(answers.map(({ provider }) => provider)).toEqual(answers.map(() => 'fast'));
  expect(answers.flatMap(({ fallbackFrom = [] }) => fallbackFrom).slice(0, 2)).toEqual(['slow/m', 'slow/m']);
  // Two to find out, and perhaps one before every process has heard of it.
  expect(system.vendors.slow.calls.length).toBeLessThanOrEqual(3);
});
