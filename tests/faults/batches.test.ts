import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { endOfBatch, readAllGenerations, startBatch, toItems } from '../support/batches.ts';
import { createFaultStack } from '../support/fault-stack.ts';

test('every item of a batch is answered once, and Redis keeps nothing of it', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await startBatch(front, { items: toItems('plain', 300), models: ['mistral/mistral-small-latest', 'mistral/mistral-large-latest'] });
  const started = Date.now();
  const view = await endOfBatch(front, batchId);
  console.error('took', Date.now() - started);
  expect(view).toMatchObject({ status: 'completed', counts: { succeeded: 600 } });
  const all = await readAllGenerations(front, batchId);
  expect(all.map(({ item, column, text }) => `${item}.${column} ${text}`)).toEqual(
    Array.from({ length: 600 }, (_, place) => `${Math.floor(place / 2)}.${place % 2} echo: <<plain ${Math.floor(place / 2)}>>`),
  );
  expect(stack.upstream.calls).toHaveLength(600);
  const { ledger } = await stack.database();
  await expect.poll(async () => (await ledger.summarize({ from: 0, to: Date.now() + 1_000 })).totals).toMatchObject({ calls: 600 });
  await expect.poll(() => stack.redis.client().keys('{aimm}:*gen_*')).toEqual([]);
});
