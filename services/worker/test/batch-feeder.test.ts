import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalog } from '@aimm/catalog';
import type { BatchSpec, GeneratePayload } from '@aimm/contracts';
import { createDatabase, type Database, UnreadableError } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createBatchFeeder } from '../src/batch/batch-feeder.ts';

const spec: BatchSpec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
const template = { attempts: 3, timeoutMs: 1_000, settings: {}, warnings: [], expectedNanoUsd: null };

let dir: string;
let database: Database;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'aimm-feeder-'));
  database = await createDatabase({ url: `file:${join(dir, 'aimm.db')}` });
});
afterEach(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

async function store(id: string) {
  const column = { number: 0, provider: 'openai', model: 'gpt-5-mini', lane: 'queue' as const, template };
  await database.batches.create({ id, client: 'tests', spec }, [column]);
  const text = { type: 'text' as const, text: 'x' };
  await database.batches.addItems(id, 0, [{ id: 'one', messages: [{ role: 'user', content: [text] }] }]);
  await database.batches.start(id, { items: 1, estimatedNanoUsd: null }, new Map());
}

/** Over a Redis that takes everything. Gives which batches were asked so far. */
async function startFeeder(batches: Database['batches'] = database.batches) {
  const asked: (string | undefined)[] = [];
  const feeder = createBatchFeeder({
    database: () => Promise.resolve({ ...database, batches }),
    catalog: loadCatalog({ env: {} }).catalog,
    producer: {
      addGenerations: async (payloads: readonly GeneratePayload[]) =>
        void asked.push(...payloads.map(({ parentId }) => parentId)),
      cancel: () => Promise.reject(new Error('nothing is cancelled here')),
    },
    jobs: {
      look: (jobs) => Promise.resolve(jobs.map(() => ({ state: 'open' }))),
      withdraw: () => Promise.resolve([]),
      lease: () => ({ hold: () => Promise.resolve(true), release: () => Promise.resolve() }),
    },
    news: { listen: () => undefined, close: () => undefined },
    budgets: {} as never, // nobody has one
    recorder: { record: () => Promise.reject(new Error('nothing has ended here')) },
    now: Date.now,
    logger: await createLogger({ name: 'feeder', level: 'silent', format: 'json' }),
  });
  onTestFinished(() => feeder.close());
  return asked;
}

test('a batch that cannot be read pauses and says why; those beside it are asked', async () => {
  const { batches } = database;
  for (const id of ['bat_1', 'bat_2', 'bat_3']) await store(id);
  const asked = await startFeeder({
    ...batches,
    columns: async (id) => {
      if (id === 'bat_1') throw new UnreadableError('Its column', 'it is of tomorrow');
      return batches.columns(id);
    },
    take: async (id, ...given) => {
      if (id === 'bat_2') throw new UnreadableError('Its item', 'it is of tomorrow');
      return batches.take(id, ...given);
    },
  });
  await expect.poll(() => asked).toEqual(['bat_3']);
  const stands = () => batches.list({ limit: 10 });
  await expect.poll(stands).toMatchObject([{ status: 'running' }, { status: 'paused' }, { status: 'paused' }]);
  expect((await stands()).map(({ pausedBecause }) => pausedBecause)).toEqual([
    undefined,
    expect.stringMatching(/^Its item cannot be read: it is of tomorrow\. .*run the same one everywhere\.$/),
    expect.stringMatching(/^Its column cannot be read/),
  ]);
});

test('one that somebody pauses for good stays paused, also where it was just to go on by itself', async () => {
  const { batches } = database;
  for (const id of ['bat_1', 'bat_2']) {
    await store(id);
    await batches.setStatus(id, ['running'], 'paused', { pausedBecause: 'a budget', resumeAt: 1 });
  }
  const asked = await startFeeder({
    ...batches,
    listLive: async (time) => {
      const live = await batches.listLive(time);
      await batches.setStatus('bat_1', ['running', 'paused'], 'paused');
      return live;
    },
  });
  await expect.poll(() => asked).toEqual(['bat_2']);
  expect(await batches.find('bat_1')).toMatchObject({ status: 'paused' });
});
