import { expect, test } from 'vitest';
import { ready } from '../support/processes.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';

/** What a client is told while Redis is away, and that it is told in time. */
async function expectUnavailableInTime(ask: () => Promise<unknown>): Promise<void> {
  const askedAt = performance.now();
  const error: unknown = await ask().then(
    () => 'was taken',
    (thrown: unknown) => thrown,
  );
  expect(performance.now() - askedAt).toBeLessThan(2_000);
  expect(error).toMatchObject({
    code: 'unavailable',
    retryable: true,
    message: expect.stringContaining('Redis'),
    hint: expect.stringContaining('REDIS_URL'),
  });
}

test('a front that starts before Redis says so within 2 s, and works once Redis is there', async () => {
  const stack = await createFaultStack({ redisRunning: false });
  const front = await stack.openFront();
  // As every front does once it answers; what a new database takes to be made is no part of the promise.
  await front.warmUp();
  await expectUnavailableInTime(() => stack.generate(front, 'too early'));
  await expectUnavailableInTime(() => stack.compare(front, 'too early', ['mistral/a', 'mistral/b']));
  await expectUnavailableInTime(() => front.listProviders());

  await stack.redis.start();
  await stack.startWorker();
  const asked = await stack.generate(front, 'in time');
  expect((await asked.result).text).toBe(`echo: ${asked.prompt}`);
  await expectInvariants(stack);
});

test('with Redis killed between two requests the second fails within 2 s, and a third works when it is back', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'first');
  await stack.redis.kill();
  await expectUnavailableInTime(() => stack.generate(front, 'second', { cache: true }));
  await expectUnavailableInTime(() => stack.compare(front, 'second', ['mistral/a', 'mistral/b']));

  await stack.redis.start();
  await stack.answer(front, 'third');
  await expectInvariants(stack);
  expect(stack.upstream.calls).toHaveLength(2);
});

test('with Redis hanging between two requests the second fails within 2 s, and is not run later either', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'the first call loads much');
  // Who works was looked up a moment ago: the next request goes straight to its add.
  await stack.answer(front, 'just before');
  stack.redis.pause();
  await Promise.all([
    expectUnavailableInTime(() => stack.generate(front, 'generation into the void', { cache: true })),
    expectUnavailableInTime(() => stack.compare(front, 'comparison into the void', ['mistral/a', 'mistral/b'])),
  ]);
  stack.redis.resume();

  await expect.poll(() => front.listProviders(), { timeout: 5_000 }).toBeDefined();
  await stack.answer(front, 'afterwards');
  await expectInvariants(stack);
  expect(stack.upstream.calls.map(({ prompt }) => prompt)).toEqual(stack.generations.map(({ prompt }) => prompt));
});

test('a worker that starts before Redis waits for it, quietly', async () => {
  const stack = await createFaultStack({ redisRunning: false });
  const worker = stack.launchWorker();
  await expect.poll(() => worker.log(), { timeout: 10_000 }).toContain('Redis connection failed');
  // It goes on trying meanwhile: three more refusals would be three more lines, were each logged.
  const waited = new Promise((resolve) => setTimeout(resolve, 3_000));
  const works = ready(worker);
  await waited;
  await stack.redis.start();
  await works;
  const front = await stack.openFront();
  await stack.answer(front, 'after the wait');
  await expectInvariants(stack);
  expect(worker.log().split('\n').length).toBeLessThan(50);
});
