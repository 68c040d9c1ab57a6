import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { requireRecovery } from '../support/measured.ts';
import { createRandom } from '../support/seeded-random.ts';
import { echo } from '../support/upstream.ts';

test('jobs that run and jobs that wait outlive a Redis that is killed, and go on within 2 s of its return', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '3', AIMM_LOCK_SECONDS: '15' } });
  const { upstream, redis } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number <= 3) await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await Promise.all(Array.from({ length: 9 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(3);
  await redis.kill();
  // The calls under way end while there is no Redis to say so to.
  upstream.release();
  await expect.poll(() => upstream.calls.filter(({ answeredAt }) => answeredAt !== undefined)).toHaveLength(3);
  await redis.start();
  const backAt = Date.now();

  await Promise.all(asked.map(({ result }) => result));
  const resumedMs = (upstream.calls[3]?.arrivedAt ?? 0) - backAt;
  requireRecovery('Redis killed and started again: jobs resumed', resumedMs, 2_000);
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(9);
});

test('a Redis killed again and again under load loses nothing that was acknowledged', async () => {
  // A busy machine may take longer over a kill and a start than the tests' own short locks last.
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '15' } });
  const { upstream, redis } = stack;
  const random = createRandom();
  upstream.behave(async (call, tools) => {
    await delay(random.between(0, 150));
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker({ MISTRAL_CONCURRENCY: '10' })]);
  const asked = await Promise.all(Array.from({ length: 100 }, (_, index) => stack.generate(front, `job ${index}`)));
  for (const share of [10, 40, 70]) {
    await upstream.arrived(share);
    await delay(random.between(0, 50));
    await redis.kill();
    await redis.start();
  }
  const answers = await Promise.all(asked.map(({ result }) => result));
  expect(answers.map(({ text }) => text)).toEqual(asked.map(({ prompt }) => `echo: ${prompt}`));
  await expectInvariants(stack, { unmadeCalls: 3 * 10 });
  // No more than ran at each kill.
  expect(upstream.calls.length).toBeLessThanOrEqual(asked.length + 3 * 10);
});

test('an idle worker and an idle front work at once after an outage of 3 s', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await expectInvariants(stack);
  await stack.redis.kill();
  // The length of the outage, not a wait for something.
  await delay(3_000);
  await stack.redis.start();
  const backAt = performance.now();
  await stack.answer(front, 'after');
  expect(performance.now() - backAt).toBeLessThan(2_000);
  await expectInvariants(stack);
});
