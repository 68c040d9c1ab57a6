import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalog } from '@aimm/catalog';
import type { BatchSpec, GeneratePayload } from '@aimm/contracts';
import { createDatabase } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createColumnFeeder } from '../src/batch/feed-columns.ts';
import { unlimitedBudgets } from './support/unlimited-budgets.ts';

const batchId = 'bat_1';
const spec: BatchSpec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };

test('on a machine that is too slow for a hundred at once a batch is fed with fewer, and loses none', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-feed-'));
  const database = await createDatabase({ url: `file:${join(dir, 'aimm.db')}` });
  const { batches } = database;
  onTestFinished(async () => {
    vi.restoreAllMocks();
    await database.close();
    await rm(dir, { recursive: true, force: true });
  });
  const template = { attempts: 3, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null };
  const column = { number: 0, provider: 'openai', model: 'gpt-5-mini', lane: 'queue' as const, template };
  await batches.create({ id: batchId, client: 'tests', spec }, [column]);
  const items = Array.from({ length: 150 }, (_, number) => ({
    id: String(number),
    messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text: `prompt ${number}` }] }],
  }));
  await batches.addItems(batchId, 0, items);
  await batches.start(batchId, { items: items.length, estimatedNanoUsd: null }, new Map());

  // A hundred take five seconds.
  let clock = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
  const slow: typeof batches = {
    ...batches,
    async take(...given) {
      const found = await batches.take(...given);
      clock += found.taken.length * 50;
      return found;
    },
  };
  const added: GeneratePayload[] = [];
  let ids = 0;
  const feeder = createColumnFeeder({
    catalog: loadCatalog({ env: { OPENAI_CONCURRENCY: '100' } }).catalog,
    producer: { addGenerations: async (payloads) => void added.push(...payloads) },
    budgets: unlimitedBudgets,
    now: Date.now,
    createId: () => `gen_${(ids += 1)}`,
    logger: await createLogger({ name: 'feeder', level: 'silent', format: 'json' }),
  });
  const [batch] = await batches.listLive(Date.now());
  if (batch === undefined) throw new Error('it runs');
  const columns = await batches.columns(batchId);
  for (let round = 0; round < 20 && added.length < items.length; round += 1) {
    const outstanding = await batches.outstanding(batchId);
    feeder.wake(batchId);
    await feeder.feedAll(slow, [{ batch, columns, outstanding: new Map(outstanding.map((one) => [one.column, one])) }]);
  }
  expect(added.map((payload) => payload.batch?.item).toSorted((a = 0, b = 0) => a - b)).toEqual(
    items.map((_, number) => number),
  );
});
