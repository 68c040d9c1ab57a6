import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';

const ageOut = async ({ redis }: FaultStack, id: string) => {
  const client = redis.client();
  const keys = await client.keys(`{aimm}:*:${id}`);
  await client.unlink(...keys.filter((key) => !key.startsWith('{aimm}:request:')));
};

test('a job that is no longer kept is told as it ended, as the ledger knows it, and not as lost', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { ledger } = await stack.database();
  const tookMs: number[] = [];
  for (let number = 1; number <= 3; number += 1) {
    const { requestId } = await stack.answer(front, `long ago ${number}`);
    await expect.poll(async () => (await ledger.findByRequest(requestId)).length).toBe(1);
    await ageOut(stack, requestId);
    const askedAt = performance.now();
    const view = await front.getJob(caller, requestId);
    tookMs.push(performance.now() - askedAt);
    expect(view).toMatchObject({ requestId, status: 'succeeded' });
    expect(view.generation).toBeUndefined();
  }
  // Not only once it was looked for in vain for a second.
  expect(Math.min(...tookMs)).toBeLessThan(900);
});

test('a job of which neither queue nor ledger knows anything is not told as succeeded', async () => {
  const stack = await createFaultStack();
  const front = await stack.openFront();
  const { requestId, result } = await stack.generate(front, 'lost');
  result.catch(() => undefined);
  await ageOut(stack, requestId);
  expect(await front.getJob(caller, requestId)).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
});
