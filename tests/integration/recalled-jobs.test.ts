import type { Checkpoint, RequestRecord } from '@aimm/contracts';
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

test('a request that waited past its deadline because nobody served it is told so by whoever is asked, and is over', async () => {
  const stack = await createFaultStack();
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront()]);
  const [late, begun] = await Promise.all([stack.generate(front, 'late'), stack.generate(front, 'begun')]);
  const redis = stack.redis.client();
  for (const { requestId } of [late, begun]) {
    const key = `{aimm}:request:${requestId}`;
    const record = JSON.parse((await redis.get(key)) ?? '') as RequestRecord;
    await redis.set(key, JSON.stringify({ ...record, deadlineAt: Date.now() - 6_000 }));
  }
  // A call of it was cut off, and only a worker can account for that.
  begun.result.catch(() => undefined);
  const checkpoint: Checkpoint = { calls: [{ number: 1, startedAt: 1, state: 'started' }], rows: [], stalledCount: 0 };
  await redis.hset(`{aimm}:mistral:${begun.requestId}`, 'aimm:checkpoint', JSON.stringify(checkpoint));
  await redis.zadd('{aimm}:unsettled', 1, `mistral:${begun.requestId}`);

  const told = { status: 'failed', error: { code: 'timeout' } };
  expect(await other.getJob(caller, late.requestId)).toMatchObject(told);
  await expect(late.result).rejects.toMatchObject({ code: 'timeout' });
  expect(await other.cancelJob(caller, late.requestId)).toMatchObject(told);
  expect(await other.getJob(caller, begun.requestId)).toMatchObject({ status: 'queued' });
  expect(await redis.zrange('{aimm}:mistral:prioritized', 0, '-1')).toEqual([begun.requestId]);
  expect(await redis.hexists(`{aimm}:mistral:${begun.requestId}`, 'aimm:cancel')).toBe(0);
});
