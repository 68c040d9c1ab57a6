import { expect, test } from 'vitest';
import { ModelManagerError } from '@aimm/contracts';
import { readBatch } from '../src/batch/read-batch.ts';
import { openResources } from './support/open-resources.ts';

const caller = { client: 'tests', admin: false };
const batchId = 'bat_01990000-0000-7000-8000-000000000001';
const template = { attempts: 1, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null };

async function openBatch(configured: Record<string, boolean>) {
  const { resources, database } = await openResources({ configured });
  const { batches, batchSubmissions } = database;
  const column = { number: 0, provider: 'openai', model: 'gpt-5-mini', lane: 'provider_batch' as const, template };
  const spec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
  await batches.create({ id: batchId, client: 'tests', spec }, [column]);
  await batches.addItems(batchId, 0, [
    { id: 'a', messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] },
  ]);
  await batches.start(batchId, { items: 1, estimatedNanoUsd: null }, new Map());
  const read = async () => (await readBatch(resources, caller, batchId)).waitsBecause;
  return { batches, batchSubmissions, read };
}

test('a batch at a vendor says what keeps it: the vendor’s last word, as long as it stands', async () => {
  const { batches, batchSubmissions, read } = await openBatch({ openai: true });
  expect(await read()).toBeUndefined();
  const [column] = await batches.columns(batchId);
  if (column === undefined) throw new Error('it was stored');
  const take = { limit: 1, maxBytes: 1e9, createId: () => 'gen_1', at: 1 };
  const { taken } = await batches.take(batchId, column, take);
  const requests = taken.map(({ item, requestId }) => ({ item, requestId, calls: 0 }));
  const place = { batchId, column: 0, provider: 'openai', model: 'gpt-5-mini', round: 1, createdAt: 1, nextAt: 1 };
  await batchSubmissions.create({ id: 'sub', ...place, requests });
  await batchSubmissions.claim('me', ['openai'], 9e12);
  const error = new ModelManagerError('rate_limited', 'openai limits how much may wait.', {
    hint: 'It is tried again.',
  });
  await batchSubmissions.change('sub', 'me', { problem: error.toShape() });
  expect(await read()).toBe('openai limits how much may wait. It is tried again.');
  await batches.setStatus(batchId, ['running'], 'paused');
  expect(await read()).toBeUndefined();
  await batches.setStatus(batchId, ['paused'], 'running');
  await batchSubmissions.change('sub', 'me', { problem: null });
  expect(await read()).toBeUndefined();
});

test('a batch for a vendor that no worker has a key of says so, before anything of it is sent', async () => {
  const { read } = await openBatch({ openai: false });
  expect(await read()).toMatch(/^The provider "openai" is not configured\..*aimm keys add openai/);
});
