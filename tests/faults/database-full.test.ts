import { expect, test, vi } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';

vi.setConfig({ testTimeout: 120_000 });

test('with no room left for the database answers arrive as ever, and their rows once there is room, each once', async () => {
  const stack = await createFaultStack();
  const front = await stack.openFront();
  // The database as it should be; what a worker adds to its files ends at 64 KB.
  await stack.database();
  const cramped = await stack.startWorker({}, { fileBlocks: 128 });
  const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => stack.answer(front, `job ${index}`)));
  expect(answers).toHaveLength(300);
  await expect.poll(() => cramped.log(), { timeout: 20_000 }).toContain('queueing them');
  expect(await cramped.end()).toBe(0);

  await stack.startWorker();
  await expectInvariants(stack);
});
