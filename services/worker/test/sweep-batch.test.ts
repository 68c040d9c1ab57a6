import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LedgerRow, ModelManagerError } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBatchSweeper, type SweepDependencies } from '../src/batch/sweep-batch.ts';
import { unlimitedBudgets } from './support/unlimited-budgets.ts';

const batchId = 'bat_1';
const perColumn = 400;
/** A slow provider's queues hold three, of 1,200 in all; the fourth's was lost. */
const lostColumn = 3;
const template = { attempts: 3, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null };

let dir: string;
let database: Database;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'aimm-sweep-'));
  database = await createDatabase({ url: `file:${join(dir, 'aimm.db')}` });
  const { batches } = database;
  const columns = [0, 1, 2, lostColumn].map((number) => ({
    number,
    provider: number === lostColumn ? 'quick' : `slow-${number}`,
    model: `m${number}`,
    lane: 'queue' as const,
    template,
  }));
  const spec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
  await batches.create({ id: batchId, client: 'tests', spec }, columns);
  const items = Array.from({ length: perColumn }, (_, number) => ({
    id: String(number),
    messages: [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }],
  }));
  await batches.addItems(batchId, 0, items);
  await batches.start(batchId, { items: perColumn, estimatedNanoUsd: null }, new Map());
  let ids = 0;
  for (const column of await batches.columns(batchId))
    await batches.take(batchId, column, {
      limit: perColumn,
      maxBytes: 1e9,
      createId: () => `gen_${column.provider}_${(ids += 1)}`,
      at: 1_000,
    });
});
afterEach(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

async function createSweeper(withdrawn: string[] = [], given: Partial<SweepDependencies> = {}) {
  return createBatchSweeper({
    database: () => Promise.resolve(database),
    jobs: {
      look: (jobs) =>
        Promise.resolve(jobs.map(({ provider }) => ({ state: provider === 'quick' ? ('lost' as const) : 'open' }))),
      withdraw: (jobs) => {
        const free = jobs.filter(({ provider }) => provider === 'quick');
        withdrawn.push(...free.map(({ requestId }) => requestId));
        return Promise.resolve(free.map(({ requestId }) => ({ requestId, budget: [] })));
      },
    },
    producer: { cancel: () => Promise.reject(new Error('nothing is cancelled here')) },
    recorder: { record: () => Promise.reject(new Error('nothing has ended here')) },
    budgets: unlimitedBudgets,
    now: () => 60_000,
    logger: await createLogger({ name: 'sweep-tests', level: 'silent', format: 'json' }),
    ...given,
  });
}

async function load() {
  const batch = await database.batches.find(batchId);
  if (batch === undefined) throw new Error('it was stored');
  return { batch, columns: await database.batches.columns(batchId) };
}

const findWaiting = async () =>
  (await database.batches.counts(batchId))
    .filter(({ status }) => status === 'waiting')
    .map(({ column, count }) => [column, count]);

test('what was lost is found in one look, however much waits for slow providers before it', async () => {
  const sweeper = await createSweeper();
  const { batch, columns } = await load();
  await sweeper.sweep(database.batches, batch, columns);
  expect(await findWaiting()).toEqual([[lostColumn, perColumn]]);
});

test('what a paused batch can take back comes back in one go, however much runs before it', async () => {
  const withdrawn: string[] = [];
  const sweeper = await createSweeper(withdrawn);
  const { batch, columns } = await load();
  await sweeper.withdraw(database.batches, batch, columns);
  expect(new Set(withdrawn).size).toBe(perColumn);
  expect(await findWaiting()).toEqual([[lostColumn, perColumn]]);
});

test('what ended without its worker is recorded with its calls: those of its job, else those of the ledger', async () => {
  const { batch, columns } = await load();
  const toRow = (requestId: string, costNanoUsd: number): LedgerRow => ({
    requestId,
    callNumber: 1,
    provider: 'quick',
    model: 'm3',
    status: 'failed',
    client: 'tests',
    tags: [],
    lane: 'batch',
    estimated: false,
    costNanoUsd,
    cached: false,
    demo: false,
    startedAt: 1,
  });
  const queued = await database.batches.listQueued(batchId, { queuedBefore: 60_000, limit: 3, columns: [lostColumn] });
  const [ofJob, ofLedger, never] = queued.map(({ requestId }) => requestId);
  if (ofJob === undefined || ofLedger === undefined) throw new Error('three wait');
  await database.ledger.record([toRow(ofLedger, 20)]);
  const error = new ModelManagerError('server_error', 'It failed.').toShape();
  const recorded = new Map<string, readonly LedgerRow[] | undefined>();
  const sweeper = await createSweeper([], {
    jobs: {
      look: (jobs) =>
        Promise.resolve(
          jobs.map(({ requestId }) => {
            if (requestId === ofJob)
              return { state: 'ended', outcome: { status: 'failed', error }, rows: [toRow(ofJob, 10)] };
            return requestId === ofLedger || requestId === never ? { state: 'ended', error } : { state: 'open' };
          }),
        ),
      withdraw: () => Promise.reject(new Error('nothing is withdrawn here')),
    },
    recorder: {
      record: ({ requestId }, _outcome, rows) => {
        recorded.set(requestId, rows);
        return Promise.resolve();
      },
    },
  });
  await sweeper.sweep(database.batches, batch, columns);
  expect(recorded.size).toBe(0);
  await sweeper.sweep(database.batches, batch, columns);
  const costs = [...recorded].map(([requestId, rows]) => [requestId, rows?.map(({ costNanoUsd }) => costNanoUsd)]);
  expect(costs).toEqual([
    [ofJob, [10]],
    [ofLedger, [20]],
    [never, []],
  ]);
});

test('what a cancelled batch lost is ended and holds nothing of budgets any more', async () => {
  await database.batches.setStatus(batchId, ['running'], 'cancelled');
  const { batch, columns } = await load();
  const released: [string, number][] = [];
  const ended: string[] = [];
  const sweeper = await createSweeper([], {
    budgets: {
      ...unlimitedBudgets,
      releaseLost: (_batch, requestId, queuedAt) => {
        released.push([requestId, queuedAt]);
        return Promise.resolve();
      },
    },
    recorder: {
      record: ({ requestId }) => {
        ended.push(requestId);
        return Promise.resolve();
      },
    },
  });
  await sweeper.sweep(database.batches, batch, columns);
  expect(ended).toHaveLength(perColumn);
  expect(released).toEqual(ended.map((requestId) => [requestId, 1_000]));
});
