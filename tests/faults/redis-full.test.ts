import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

test('with Redis out of memory answers that were paid for still arrive, new requests are refused with the reason, and both are accounted for', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '15' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number > 1) await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker({ MISTRAL_CONCURRENCY: '3' })]);
  await stack.answer(front, 'before');
  const asked = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(4);
  const redis = stack.redis.client();
  await redis.config('SET', 'maxmemory', '1mb');

  await expect(stack.generate(front, 'too much')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('out of memory'),
  });
  upstream.release();
  const running = asked.filter(({ prompt }) => upstream.calls.some((call) => call.prompt === prompt));
  const answers = await Promise.all(running.map(({ result }) => result));
  expect(answers.map(({ text }) => text)).toEqual(running.map(({ prompt }) => `echo: ${prompt}`));

  await redis.config('SET', 'maxmemory', '0');
  upstream.behave(echo);
  await stack.answer(front, 'afterwards');
  await expectInvariants(stack);
  // Nobody was asked again, and nobody for what was refused.
  expect(upstream.calls).toHaveLength(1 + asked.length + 1);
});
