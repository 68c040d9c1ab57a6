import { expect } from 'vitest';
import type { Manager } from '@aimm/manager';
import { endOfBatch, readAllGenerations } from './batches.ts';
import type { FaultStack } from './fault-stack.ts';
import { countActive } from './invariants.ts';

const patience = { timeout: 40_000, interval: 50 };

/** Results and rows that wait in Redis for the database. */
export async function countOwed({ redis }: Pick<FaultStack, 'redis'>): Promise<{ results: number; rows: number }> {
  const client = redis.client();
  const [results, rows] = await Promise.all([
    client.keys('{aimm}:persist-batch:result_gen_*'),
    client.keys('{aimm}:persist-usage:usage_*'),
  ]);
  const withoutLocks = (keys: string[]) => keys.filter((key) => !key.endsWith(':lock')).length;
  return { results: withoutLocks(results), rows: withoutLocks(rows) };
}

/**
 * What holds for a batch of one column after a fault in which nobody died: every item has its own answer, its prompt was asked of
 * the vendor once, each call is one row of the ledger, nothing is owed to the database and nothing runs on. The batch must be all
 * that the stack was asked, and its items those of `toItems(name, items)`.
 */
export async function expectEachItemOnce(
  stack: FaultStack,
  front: Manager,
  { batchId, name, items, within = 40_000 }: { batchId: string; name: string; items: number; within?: number },
): Promise<void> {
  const view = await endOfBatch(front, batchId, within);
  expect(view).toMatchObject({ status: 'completed', counts: { succeeded: items } });
  const all = await readAllGenerations(front, batchId);
  const prompts = Array.from({ length: items }, (_, item) => `<<${name} ${item}>>`);
  expect(all.map(({ item, status, text }) => `${item} ${status} ${text}`)).toEqual(
    prompts.map((prompt, item) => `${item} succeeded echo: ${prompt}`),
  );
  expect(stack.upstream.calls.map(({ prompt }) => prompt).toSorted()).toEqual(prompts.toSorted());

  const { ledger } = await stack.database();
  const readRows = async () => {
    const { totals } = await ledger.summarize({ from: 0, to: Date.now() + 2 * 3_600_000 });
    return { calls: totals.calls, succeeded: totals.succeeded };
  };
  await expect.poll(readRows, patience).toEqual({ calls: items, succeeded: items });
  await expect.poll(() => countOwed(stack), patience).toEqual({ results: 0, rows: 0 });
  expect(await readRows()).toEqual({ calls: items, succeeded: items });
  const rows = await Promise.all(all.map(({ requestId = '' }) => ledger.findByRequest(requestId)));
  expect(rows.filter((own) => own.length !== 1 || own[0]?.callNumber !== 1)).toEqual([]);

  const redis = stack.redis.client();
  await expect.poll(() => countActive(redis), { ...patience, message: 'jobs still active' }).toBe(0);
  await expect.poll(() => redis.zcard('{aimm}:unsettled'), patience).toBe(0);
}
