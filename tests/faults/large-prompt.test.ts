import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';

const megabytes = 10;

test('a prompt of ten megabytes whose worker is killed in mid-call is asked again whole, and holds nobody up', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  const isLarge = (prompt: string) => prompt.length > 1_000_000;
  upstream.behave(({ prompt }, { finish, held }) => {
    const earlier = upstream.calls.filter((call) => call.prompt === prompt).length;
    return isLarge(prompt) && earlier === 1 ? held : finish({ text: `${prompt.length} letters` });
  });
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const large = await stack.generate(front, 'ten letters'.repeat((megabytes * 1_000_000) / 11));
  await upstream.arrived(1);
  const beside = await stack.answer(front, 'small, beside it');
  expect(beside.text).toMatch(/^\d\d letters$/);
  await first.end('SIGKILL');
  await stack.startWorker();
  expect(await large.result).toMatchObject({ text: `${large.prompt.length} letters`, calls: 2 });
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(3);
});
