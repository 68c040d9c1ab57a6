import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

test('with Redis emptied under way clients are told so, nobody is sent anything of others, and every call is in the ledger', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number <= 3) await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker({ MISTRAL_CONCURRENCY: '3' })]);
  const lost = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `lost ${index}`)));
  const told = lost.map(({ result }) => expect(result).rejects.toMatchObject({ code: 'outcome_unknown' }));
  await upstream.arrived(3);
  await stack.redis.client().flushall();
  upstream.release();
  const after = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `after ${index}`)));
  const answers = await Promise.all(after.map(({ result }) => result));
  expect(answers.map(({ text }) => text)).toEqual(after.map(({ prompt }) => `echo: ${prompt}`));
  await Promise.all(told);

  // What ran when it happened was paid for, and its worker knows what it cost.
  expect(upstream.calls).toHaveLength(9);
  const { ledger } = await stack.database();
  const countRows = async () => (await ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals;
  await expect.poll(countRows, { timeout: 10_000 }).toMatchObject({ calls: 9, succeeded: 9, inputTokens: 90 });
});
