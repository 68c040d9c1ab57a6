import { loadCatalog } from '@aimm/catalog';
import type { StoredBatch, StoredColumn } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { expect, test } from 'vitest';
import { createColumnFeeder } from '../src/batch/feed-columns.ts';

const batch: StoredBatch = {
  id: 'bat_mixed',
  client: 'tests',
  status: 'running',
  spec: { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] },
  items: 5_000,
  estimatedNanoUsd: null,
  spentNanoUsd: 0,
  createdAt: 0,
};
const toColumn = (number: number, lane: StoredColumn['lane']): StoredColumn => ({
  number,
  provider: 'openai',
  model: 'gpt-5-mini',
  lane,
  template: { attempts: 1, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null },
  nextItem: 0,
});

test('what a vendor’s batch API holds takes no place in the provider’s queue', async () => {
  const asked: [column: number, limit: number][] = [];
  const { catalog } = loadCatalog({ env: { OPENAI_CONCURRENCY: '8' } });
  const feeder = createColumnFeeder({
    catalog,
    producer: { addGenerations: () => Promise.resolve() },
    budgets: {} as never, // nothing is there to be reserved
    now: () => 0,
    createId: () => 'gen_1',
    logger: await createLogger({ name: 'feeder', level: 'silent', format: 'json' }),
  });
  const batches = {
    take: (_id: string, { number }: StoredColumn, { limit }: { limit: number }) => {
      asked.push([number, limit]);
      return Promise.resolve({ taken: [], skipped: 0 });
    },
  };
  const columns = [toColumn(0, 'queue'), toColumn(1, 'provider_batch')];
  const outstanding = new Map([[1, { count: 5_000, bytes: 50_000_000 }]]);
  await feeder.feedAll(batches as never, [{ batch, columns, outstanding }]);
  // The whole window, which it shares with nobody.
  expect(asked).toEqual([[0, 32]]);
});
