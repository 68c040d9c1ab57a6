import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

test("a worker that was stopped past its lock writes nothing over its successor's result", async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number === 1) await tools.held;
    tools.write(`call ${call.number}: `);
    return echo(call, tools);
  });
  const [front, stopped] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'stopped past its lock', {}, { stream: true });
  await upstream.arrived(1);
  stopped.signal('SIGSTOP');
  await stack.startWorker();
  const result = await asked.result;
  expect(result).toMatchObject({ text: `call 2: echo: ${asked.prompt}`, calls: 2 });
  await expectInvariants(stack);

  // Its call is answered while it sleeps: when it wakes up it has a whole answer in its hands.
  upstream.release();
  await expect.poll(() => upstream.calls[0]?.answeredAt).toBeDefined();
  stopped.signal('SIGCONT');
  await expect.poll(() => stopped.log(), { timeout: 10_000 }).toContain('Another worker took this job over');
  // What the first call cost is known after all.
  const { ledger } = await stack.database();
  const readCalls = async () => (await ledger.findByRequest(asked.requestId)).map(({ status }) => status);
  await expect.poll(readCalls, { timeout: 10_000 }).toEqual(['succeeded', 'succeeded']);
  expect((await front.getJob({ client: 'tests', admin: false }, asked.requestId)).generation?.text).toBe(result.text);
  expect(asked.heard).not.toContain('call 1');
  await expectInvariants(stack, { repeatedCalls: 1 });

  // It works on as if nothing had been.
  const [successor] = stack.workers.slice(1);
  await successor?.end('SIGKILL');
  await stack.answer(front, 'after the pause');
  await expectInvariants(stack, { repeatedCalls: 1 });
});

test('a worker that was stopped alone takes its own job up again, and can still be told to cancel it', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const { upstream } = stack;
  upstream.behave((_call, { held }) => held);
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'stopped alone');
  await upstream.arrived(1);
  const redis = stack.redis.client();
  worker.signal('SIGSTOP');
  await expect
    .poll(() => redis.exists(`{aimm}:mistral:${asked.requestId}:lock`), { timeout: 10_000, interval: 100 })
    .toBe(0);
  worker.signal('SIGCONT');
  await upstream.arrived(2);
  const cancelledAt = Date.now();
  await front.cancelJob({ client: 'tests', admin: false }, asked.requestId);
  await upstream.aborted(2);
  expect((upstream.calls[1]?.abortedAt ?? Infinity) - cancelledAt).toBeLessThan(2_000);
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  await expectInvariants(stack);
});
