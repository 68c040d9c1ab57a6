import { loadCatalog } from '@aimm/catalog';
import type { StoredBatch, StoredColumn } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { expect, test } from 'vitest';
import type { BatchBudgets } from '../src/batch/batch-budgets.ts';
import { findAffordable } from '../src/batch/affordable.ts';
import { createColumnFeeder, type FeedDependencies } from '../src/batch/feed-columns.ts';
import { unlimitedBudgets } from './support/unlimited-budgets.ts';

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

async function createFeeder(env: Record<string, string>, more: Partial<FeedDependencies> = {}) {
  return createColumnFeeder({
    catalog: loadCatalog({ env }).catalog,
    producer: { addGenerations: () => Promise.resolve() },
    budgets: unlimitedBudgets,
    now: () => 0,
    createId: () => 'gen_1',
    logger: await createLogger({ name: 'feeder', level: 'silent', format: 'json' }),
    ...more,
  });
}

test('what a vendor’s batch API holds takes no place in the provider’s queue', async () => {
  const asked: [column: number, limit: number][] = [];
  const feeder = await createFeeder({ OPENAI_CONCURRENCY: '8' });
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

test('a column that has asked everything pauses no batch that another one goes on with, whatever it would cost', async () => {
  const asked: number[] = [];
  const paused: string[] = [];
  const feeder = await createFeeder({});
  const counts = [{ column: 0, status: 'succeeded', count: 20 }];
  const batches = {
    take: (_id: string, { number }: StoredColumn) => {
      asked.push(number);
      return Promise.resolve({ taken: [], skipped: 0 });
    },
    counts: () => Promise.resolve(counts),
    setStatus: (_id: string, _from: unknown, to: string) => Promise.resolve(paused.push(to) > 0),
  };
  const live = { ...batch, items: 20, maxCostNanoUsd: 1_000, spentNanoUsd: 950 };
  const columns = [
    { ...toColumn(0, 'queue'), nextItem: 20, template: { ...toColumn(0, 'queue').template, expectedNanoUsd: 100 } },
    { ...toColumn(1, 'queue'), nextItem: 10, template: { ...toColumn(1, 'queue').template, expectedNanoUsd: 1 } },
  ];
  await feeder.feedAll(batches as never, [{ batch: live, columns, outstanding: new Map() }]);
  expect({ asked, paused }).toEqual({ asked: [1], paused: [] });

  // What failed there waits again: that costs.
  counts.push({ column: 0, status: 'waiting', count: 1 });
  feeder.forgetAll();
  await feeder.feedAll(batches as never, [{ batch: live, columns, outstanding: new Map() }]);
  expect(paused).toEqual(['paused']);
});

test('a limit that is the estimate has room for all of it', () => {
  for (let items = 1; items <= 300; items += 1) {
    const total = items * 7 + 1;
    const column = {
      ...toColumn(0, 'queue'),
      template: { ...toColumn(0, 'queue').template, expectedNanoUsd: total / items },
    };
    const live = { batch: { ...batch, maxCostNanoUsd: total }, columns: [column], outstanding: new Map() };
    expect([items, findAffordable(live, column)]).toEqual([items, items]);
  }
});

test('a provider’s queue holds 16 MB of what batches ask, also of columns that are fed in one round', async () => {
  const taken: number[] = [];
  const feeder = await createFeeder({ OPENAI_CONCURRENCY: '8' });
  const content = { id: 'large', messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] };
  const batches = {
    take: (_id: string, { number }: StoredColumn) => {
      taken.push(number);
      const one = { item: taken.length, requestId: `gen_${taken.length}`, content, bytes: 9_000_000, answers: [] };
      return Promise.resolve({ taken: [one], skipped: 0 });
    },
  };
  const columns = [0, 1, 2, 3].map((number) => toColumn(number, 'queue'));
  await feeder.feedAll(batches as never, [{ batch, columns, outstanding: new Map() }]);
  // The second passes the limit: what is larger than what is free must not wait for ever.
  expect(taken).toEqual([0, 1]);
});

test('a batch that waits for its budget says so once, and again when it waits for another reason or has gone on', async () => {
  const told: unknown[] = [];
  const logger = { info: ({ pausedBecause }: { pausedBecause: string }) => told.push(pausedBecause) };
  let because: string | undefined = 'the budget of the day';
  const reserve: BatchBudgets['reserve'] = (_batch, payloads) =>
    Promise.resolve(
      because === undefined ? { reserved: [...payloads] } : { reserved: [], refusal: { because, renewsAt: 1e15 } },
    );
  const feeder = await createFeeder({}, { logger: logger as never, budgets: { ...unlimitedBudgets, reserve } });
  const content = { id: 'one', messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] };
  const one = { item: 0, requestId: 'gen_1', content, bytes: 9, answers: [] };
  const batches = {
    take: () => Promise.resolve({ taken: [one], skipped: 0 }),
    putBack: () => Promise.resolve([]),
    setStatus: () => Promise.resolve(true),
  };
  for (because of ['the budget of the day', 'the budget of the day', 'another', 'another', undefined, 'another']) {
    feeder.wake(batch.id);
    await feeder.feedAll(batches as never, [{ batch, columns: [toColumn(0, 'queue')], outstanding: new Map() }]);
  }
  expect(told).toEqual(['the budget of the day', 'another', 'another']);
});
