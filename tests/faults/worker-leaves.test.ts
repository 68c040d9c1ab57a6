import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createRandom } from '../support/seeded-random.ts';
import { echo } from '../support/upstream.ts';

test('a rolling restart under load loses nothing and calls nothing twice', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  const random = createRandom();
  upstream.behave(async (call, tools) => {
    tools.write('');
    await delay(random.between(10, 300));
    return echo(call, tools);
  });
  const limited = { MISTRAL_CONCURRENCY: '10' };
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker(limited)]);
  const asked = await Promise.all(Array.from({ length: 120 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(15);
  const second = await stack.startWorker(limited);
  expect(await first.end('SIGTERM')).toBe(0);
  await upstream.arrived(70);
  await stack.startWorker(limited);
  expect(await second.end('SIGTERM')).toBe(0);

  await Promise.all(asked.map(({ result }) => result));
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(120);
});

test('a worker that is told to leave while nobody else works leaves its waiting jobs to the next', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '2' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number <= 2) await tools.held;
    return echo(call, tools);
  });
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(2);
  const left = first.end('SIGTERM');
  // It has taken itself off the list of workers: it is leaving.
  const redis = stack.redis.client();
  await expect.poll(() => redis.zcard('{aimm}:workers'), { timeout: 10_000 }).toBe(0);
  upstream.release();
  expect(await left).toBe(0);
  expect(upstream.calls).toHaveLength(2);
  await stack.startWorker();
  await Promise.all(asked.map(({ result }) => result));
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(6);
});
