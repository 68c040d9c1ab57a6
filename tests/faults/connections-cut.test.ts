import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createRandom } from '../support/seeded-random.ts';
import { echo } from '../support/upstream.ts';

test('with every connection to Redis cut again and again under load, each request is answered once', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '6' } });
  const { upstream } = stack;
  const random = createRandom();
  upstream.behave(async (call, tools) => {
    await delay(random.between(0, 100));
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker({ MISTRAL_CONCURRENCY: '10' })]);
  // Not all at once: whoever asks gets no answer within two seconds from a machine that has much else to do, and is refused.
  const asked: Awaited<ReturnType<typeof stack.generate>>[] = [];
  while (asked.length < 120)
    asked.push(...(await Promise.all(Array.from({ length: 20 }, () => stack.generate(front, `job ${asked.length}`)))));
  const redis = stack.redis.client();
  for (let cuts = 0; cuts < 15; cuts += 1) {
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    // How often, not how long until something.
    await delay(60);
  }
  const answers = await Promise.all(asked.map(({ result }) => result));
  expect(answers.map(({ text }) => text)).toEqual(asked.map(({ prompt }) => `echo: ${prompt}`));
  await expectInvariants(stack, { unmadeCalls: 10 });
  // No more than ran at once.
  expect(upstream.calls.length).toBeLessThanOrEqual(asked.length + 10);
});

test('a Redis that is stopped for longer than a lock lasts costs calls that the ledger shows, and no answer', async () => {
  const lockMs = 3_000;
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: String(lockMs / 1_000) } });
  const { upstream, redis } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number <= 5) await tools.held;
    return echo(call, tools);
  });
  const front = await stack.openFront();
  await Promise.all([stack.startWorker({ MISTRAL_CONCURRENCY: '5' }), stack.startWorker({ MISTRAL_CONCURRENCY: '5' })]);
  const asked = await Promise.all(Array.from({ length: 10 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(5);
  redis.pause();
  // The length of the pause.
  await delay(lockMs + 1_000);
  redis.resume();
  upstream.release();
  const answers = await Promise.all(asked.map(({ result }) => result));
  expect(answers.map(({ text }) => text)).toEqual(asked.map(({ prompt }) => `echo: ${prompt}`));
  await expectInvariants(stack, { repeatedCalls: 5 });
  expect(upstream.calls.length).toBeLessThanOrEqual(asked.length + 5);
});
