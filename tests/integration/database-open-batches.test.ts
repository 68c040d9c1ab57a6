import { createDatabase, type Database, findOpenBatches } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeBatch, toColumn } from '../support/stored-batch.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

describe.each(databaseKinds)('batches that somebody has to look after on %s', (kind) => {
  let url: string;
  let database: Database;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    expect(await findOpenBatches(url)).toEqual([]);
    database = await createDatabase({ url });
  });
  afterAll(() => database.close());
  const store = (id: string) => storeBatch(database.batches, id, { items: 1, columns: [toColumn(0)] });

  it('are those that run, and those that go on by themselves', async () => {
    const { batches } = database;
    expect(await findOpenBatches(url)).toEqual([]);
    await store('bat_a');
    expect(await findOpenBatches(url)).toEqual(['bat_a']);
    await batches.setStatus('bat_a', ['running'], 'paused', { pausedBecause: 'budget', resumeAt: 9e12 });
    expect(await findOpenBatches(url)).toEqual(['bat_a']);
    await batches.setStatus('bat_a', ['paused'], 'paused');
    expect(await findOpenBatches(url)).toEqual([]);
  });

  it('are those that are still being cancelled, not those that were', async () => {
    const { batches } = database;
    await store('bat_b');
    await batches.setStatus('bat_b', ['running'], 'cancelled');
    expect(await findOpenBatches(url)).toEqual(['bat_b']);
    await batches.cancelWaiting('bat_b');
    await batches.finishIfDone('bat_b');
    expect(await findOpenBatches(url)).toEqual([]);
  });

  it('are those that a vendor has something of, also where the user paused them', async () => {
    const { batches, batchSubmissions: submissions } = database;
    await store('bat_c');
    await submissions.create({
      id: 'sub_c',
      batchId: 'bat_c',
      column: 0,
      provider: 'mistral',
      model: 'm0',
      round: 1,
      requests: [{ item: 0, requestId: 'gen_c', calls: 0 }],
      createdAt: 1,
      nextAt: 1,
    });
    await batches.setStatus('bat_c', ['running'], 'paused');
    expect(await findOpenBatches(url)).toEqual(['bat_c']);
    await submissions.claim('me', ['mistral'], 1);
    await submissions.change('sub_c', 'me', { status: 'ended', endedAt: 2 });
    expect(await findOpenBatches(url)).toEqual([]);
  });
});
