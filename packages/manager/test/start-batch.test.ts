import { ModelManagerError } from '@aimm/contracts';
import { UnreadableError } from '@aimm/database';
import { expect, test } from 'vitest';
import { listBatches, readBatch } from '../src/batch/read-batch.ts';
import { startBatch } from '../src/batch/start-batch.ts';
import { openResources } from './support/open-resources.ts';

const caller = { client: 'me', admin: false };
const ask = () => ({
  items: ['a', 'b'].map((id) => ({
    id,
    messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text: id }] }],
  })),
  models: ['mistral/mistral-small-2603', 'openai/gpt-6-luna'],
  name: 'nightly',
  maxCostNanoUsd: 1_000_000_000,
  judge: { model: 'openai/gpt-6-luna' },
});

test('who starts a batch is told its id, also where the database goes away right behind it', async () => {
  let isAway = false;
  const { resources, database } = await openResources({
    wrap: (opened) => ({
      ...opened,
      batches: {
        ...opened.batches,
        async start(...given) {
          await opened.batches.start(...given);
          isAway = true;
        },
        async find(id) {
          if (isAway)
            throw new ModelManagerError('unavailable', 'The database cannot be reached.', { retryable: true });
          return opened.batches.find(id);
        },
      },
    }),
  });
  const told = await startBatch(resources, caller, ask());
  isAway = false;
  const { createdAt, ...stored } = await readBatch(resources, caller, told.batchId);
  expect({ ...told, createdAt }).toEqual({ ...stored, createdAt });
  expect(told).toMatchObject({ status: 'running', items: 2, total: 8, counts: { waiting: 8 } });
  expect(await database.batches.list({ limit: 10 })).toHaveLength(1);
});

test.each([
  ['a model', { models: ['openai/gpt-6-luna', 'mistral/mistral-small-2603'] }],
  ['the judge', { judge: { model: 'mistral/mistral-small-2603' } }],
])('a batch is refused, and nothing of it is written, where no worker has the key of %s', async (_name, given) => {
  const { resources, database } = await openResources({ configured: { openai: true, mistral: false } });
  await database.preferences.put({ client: 'me', name: 'mine', models: ['mistral/mistral-small-2603'], settings: {} });
  const few = { ...ask(), models: ['openai/gpt-6-luna'] };
  await expect(startBatch(resources, caller, { ...few, ...given })).rejects.toMatchObject({
    code: 'authentication',
    provider: 'mistral',
    hint: expect.stringContaining('MISTRAL_API_KEY'),
  });
  expect(await database.batches.removeAbandoned(Date.now() + 1_000)).toBe(0);
  await expect(startBatch(resources, caller, { ...few, models: ['mine'] })).rejects.toThrow('by the alias mine');
  expect(await startBatch(resources, caller, few)).toMatchObject({ status: 'running' });
});

test('a batch that is started in the demo says so, also in the list', async () => {
  const configured = { openai: true, mistral: true };
  for (const demo of [true, false]) {
    const { resources } = await openResources({ configured, demo });
    const { batchId, demo: told } = await startBatch(resources, caller, ask());
    const { demo: read } = await readBatch(resources, caller, batchId);
    const [listed] = (await listBatches(resources, caller)).batches;
    expect([told, read, listed?.demo]).toEqual(Array.from({ length: 3 }, () => (demo ? true : undefined)));
  }
});

test('a batch whose models cannot be read hides no other in the list', async () => {
  const odd = new Set<string>();
  const { resources } = await openResources({
    wrap: (opened) => ({
      ...opened,
      batches: {
        ...opened.batches,
        async columns(id) {
          if (odd.has(id)) throw new UnreadableError('Its column', 'it is of tomorrow');
          return opened.batches.columns(id);
        },
      },
    }),
  });
  const started = [];
  for (let count = 0; count < 3; count += 1) started.push((await startBatch(resources, caller, ask())).batchId);
  odd.add(started[1] ?? '');
  const { batches } = await listBatches(resources, caller);
  expect(batches.map(({ batchId }) => batchId)).toEqual([started[2], started[0]]);
});

test('a schema that every item brings is looked at once', async () => {
  const { resources } = await openResources();
  const [item] = ask().items;
  if (item === undefined) throw new Error('it has one');
  const settings = () => ({ responseFormat: { type: 'json_schema' as const, schema: { type: 'object' } } });
  const items = Array.from({ length: 500 }, (_, number) => ({ ...item, id: String(number), settings: settings() }));
  const startedAt = performance.now();
  await startBatch(resources, caller, { items, models: ['openai/gpt-6-luna'] });
  // Each look takes 20 ms and more.
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  const odd = { ...item, settings: { responseFormat: { type: 'json_schema' as const, schema: { type: 'objekt' } } } };
  await expect(
    startBatch(resources, caller, { items: [...items, odd], models: ['openai/gpt-6-luna'] }),
  ).rejects.toThrow('response_format.schema');
});
