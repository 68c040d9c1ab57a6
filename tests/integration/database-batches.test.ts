import { createDatabase, type Database, type StoredColumn } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { createBatchRetention } from '@aimm/worker/batch-retention';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSql } from '../support/run-sql.ts';
import { storeBatch, spec, toColumn, toItem, toRecord } from '../support/stored-batch.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const waitsForLock = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

describe.each(databaseKinds)('batches on %s', (kind) => {
  let url: string;
  let database: Database;
  let clock = 1_000_000;
  let ids = 0;
  const createId = () => `gen_${(ids += 1)}`;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    database = await createDatabase({ url, now: () => (clock += 1) });
  });
  afterAll(() => database.close());

  const columnsOf = (id: string) => database.batches.columns(id);
  const take = async (id: string, number: number, limit: number, maxBytes = 1e9) => {
    const column = (await columnsOf(id)).find((one) => one.number === number) as StoredColumn;
    const { taken, skipped } = await database.batches.take(id, column, { limit, maxBytes, createId, at: clock });
    return { skipped, items: taken.map(({ item }) => item), taken };
  };
  const record = (id: string, column: number, taken: { item: number; requestId: string }[], more = {}) =>
    database.batches.record(taken.map(({ item, requestId }) => toRecord(id, { item, requestId, column }, more)));

  it('do not run before all their items are in, and are found by nobody until then', async () => {
    const { batches } = database;
    await batches.create({ id: 'bat_a', client: 'tests', spec }, [toColumn(0)]);
    await batches.addItems('bat_a', 0, [toItem(0), toItem(1)]);
    expect((await take('bat_a', 0, 10)).items).toEqual([]);
    expect(await batches.list({ limit: 10 })).toEqual([]);
    expect(await batches.listLive(clock)).toEqual([]);
    await batches.start('bat_a', { items: 2, estimatedNanoUsd: null, maxCostNanoUsd: 70 }, new Map([[0, 12]]));
    expect(await batches.find('bat_a')).toMatchObject({
      status: 'running',
      items: 2,
      estimatedNanoUsd: null,
      maxCostNanoUsd: 70,
    });
    expect((await columnsOf('bat_a'))[0]?.template.expectedNanoUsd).toBe(12);
    expect((await take('bat_a', 0, 10)).items).toEqual([0, 1]);
    await batches.remove('bat_a');
    expect(await batches.find('bat_a')).toBeUndefined();
  });

  it('keep what functions an answer asked for, and show a judge those, too', async () => {
    const toolCalls = [{ type: 'tool_call' as const, id: 'call_1', name: 'look', arguments: { place: 'Größe' } }];
    const columns = [toColumn(0), toColumn(1, { judges: [0] })];
    await storeBatch(database.batches, 'bat_calls', { items: 1, columns });
    await record('bat_calls', 0, (await take('bat_calls', 0, 1)).taken, { text: '', toolCalls });
    const batch = await database.batches.find('bat_calls');
    if (batch === undefined) throw new Error('it is there');
    const { generations } = await database.batches.generations(batch, [toColumn(0)], { limit: 10 });
    expect(generations).toMatchObject([{ status: 'succeeded', text: '', toolCalls }]);
    expect((await take('bat_calls', 1, 1)).taken).toMatchObject([{ answers: ['[tool call look {"place":"Größe"}]'] }]);
    await database.batches.remove('bat_calls');
  });

  it('that nobody goes on preparing are removed, those that somebody does are not', async () => {
    const { batches } = database;
    await batches.create({ id: 'bat_dead', client: 'tests', spec }, [toColumn(0)]);
    await batches.addItems('bat_dead', 0, [toItem(0)]);
    const before = clock;
    clock += 1_000;
    await batches.create({ id: 'bat_live', client: 'tests', spec }, [toColumn(0)]);
    expect(await batches.removeAbandoned(before + 500)).toBe(1);
    expect([await batches.find('bat_dead'), await batches.find('bat_live')]).toMatchObject([undefined, {}]);
    await batches.remove('bat_live');
  });

  it('refuse an id that is there twice, in one piece or over two', async () => {
    const { batches } = database;
    await batches.create({ id: 'bat_twins', client: 'tests', spec }, [toColumn(0)]);
    const twice = { code: 'invalid_request', message: 'The id "item-1" occurs twice among the items.' };
    await expect(batches.addItems('bat_twins', 0, [toItem(1), toItem(1)])).rejects.toMatchObject(twice);
    await batches.addItems('bat_twins', 0, [toItem(1)]);
    await expect(batches.addItems('bat_twins', 1, [toItem(2), toItem(1)])).rejects.toMatchObject(twice);
    await batches.remove('bat_twins');
  });

  it('give out each item of a column once, whoever takes at the same moment', async () => {
    await storeBatch(database.batches, 'bat_once', { items: 60, columns: [toColumn(0), toColumn(1)] });
    const taken = await Promise.all(Array.from({ length: 6 }, () => take('bat_once', 0, 15)));
    const items = taken.flatMap((one) => one.items);
    expect(items.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, item) => item));
    expect(new Set(taken.flatMap((one) => one.taken.map(({ requestId }) => requestId))).size).toBe(60);
    expect(await database.batches.outstanding('bat_once')).toMatchObject([{ column: 0, count: 60 }]);
    expect((await take('bat_once', 1, 2)).items).toEqual([0, 1]);
  });

  it('give out no more than may wait at once by their size, but one at least', async () => {
    const { batches } = database;
    await batches.create({ id: 'bat_large', client: 'tests', spec }, [toColumn(0)]);
    await batches.addItems('bat_large', 0, [toItem(0, 'x'.repeat(900)), toItem(1, 'x'.repeat(900)), toItem(2)]);
    await batches.start('bat_large', { items: 3, estimatedNanoUsd: null }, new Map());
    expect((await take('bat_large', 0, 10, 1_500)).items).toEqual([0]);
    expect((await take('bat_large', 0, 10, 10)).items).toEqual([1]);
    await batches.setStatus('bat_large', ['running'], 'cancelled');
  });

  it('take a result once, and only of the request that asks', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_rec', { items: 3, columns: [toColumn(0)] });
    const { taken } = await take('bat_rec', 0, 3);
    const [first, second, third] = taken;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three were taken');
    expect(await record('bat_rec', 0, [first, first])).toBe(1);
    expect(await record('bat_rec', 0, [first], { text: 'another' })).toBe(0);
    expect(await record('bat_rec', 0, [{ ...second, requestId: 'gen_other' }])).toBe(0);
    expect(
      await batches.putBack('bat_rec', [
        { ...second, column: 0, queuedAt: 0 },
        { ...first, column: 0, queuedAt: 0 },
      ]),
    ).toMatchObject([{ item: 1 }]);
    expect(await record('bat_rec', 0, [second])).toBe(0);
    // It comes again before what was never asked, under another id.
    const again = await take('bat_rec', 0, 5);
    expect(again.items).toEqual([1]);
    expect(again.taken[0]?.requestId).not.toBe(second.requestId);
    expect(await batches.finishIfDone('bat_rec')).toBe(false);
    await record('bat_rec', 0, [...again.taken, third], {
      status: 'failed',
      text: undefined,
      costNanoUsd: 7,
      error: { code: 'timeout', message: 'late', retryable: true },
    });
    expect(await batches.finishIfDone('bat_rec')).toBe(true);
    expect(await batches.find('bat_rec')).toMatchObject({ status: 'completed', spentNanoUsd: 114 });
    const batch = await batches.find('bat_rec');
    if (batch === undefined) throw new Error('it is there');
    const { generations } = await batches.generations(batch, await columnsOf('bat_rec'), { limit: 10 });
    expect(generations).toMatchObject([
      {
        item: 0,
        itemId: 'item-0',
        status: 'succeeded',
        text: 'answer 0',
        costNanoUsd: 100,
        usage: { inputTokens: 10 },
      },
      { item: 1, status: 'failed', error: { code: 'timeout' } },
      { item: 2, status: 'failed' },
    ]);
  });

  it('whose failures are tried again run on, with those alone', async () => {
    const { batches } = database;
    expect(await batches.retryFailed('bat_rec')).toBe(2);
    expect(await batches.find('bat_rec')).toMatchObject({ status: 'running' });
    const { taken, items } = await take('bat_rec', 0, 10);
    expect(items).toEqual([1, 2]);
    await record('bat_rec', 0, taken);
    expect(await batches.finishIfDone('bat_rec')).toBe(true);
    // What the first tries cost was paid as well.
    const batch = await batches.find('bat_rec');
    if (batch === undefined) throw new Error('it is there');
    expect(batch.spentNanoUsd).toBe(314);
    expect(await batches.summarize(batch, await columnsOf('bat_rec'))).toMatchObject([{ costNanoUsd: 314 }]);
    expect(await batches.retryFailed('bat_rec')).toBe(0);
    expect(await batches.find('bat_rec')).toMatchObject({ status: 'completed' });
  });

  it('that are cancelled or paused give nothing out, and what waits is cancelled', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_stop', { items: 4, columns: [toColumn(0)] });
    const { taken } = await take('bat_stop', 0, 2);
    await batches.putBack(
      'bat_stop',
      taken.slice(1).map((one) => ({ ...one, column: 0, queuedAt: 0 })),
    );
    expect(
      await batches.setStatus('bat_stop', ['running'], 'paused', { pausedBecause: 'so', resumeAt: clock + 500 }),
    ).toBe(true);
    expect((await take('bat_stop', 0, 2)).items).toEqual([]);
    // One of it is still queued.
    expect((await batches.listLive(0)).map(({ id }) => id)).toContain('bat_stop');
    expect(await batches.find('bat_stop')).toMatchObject({ status: 'paused', pausedBecause: 'so' });
    expect(await batches.setStatus('bat_stop', ['running'], 'paused')).toBe(false);
    await batches.setStatus('bat_stop', ['running', 'paused'], 'cancelled');
    await batches.cancelWaiting('bat_stop');
    expect(await batches.finishIfDone('bat_stop')).toBe(false);
    await record('bat_stop', 0, taken.slice(0, 1), { status: 'cancelled', text: undefined, costNanoUsd: 0 });
    expect(await batches.finishIfDone('bat_stop')).toBe(true);
    const batch = await batches.find('bat_stop');
    if (batch === undefined) throw new Error('it is there');
    const { generations } = await batches.generations(batch, await columnsOf('bat_stop'), { limit: 10 });
    // Nothing of it was paid: one was aborted, one had come back out of its queue, two never were in one.
    expect(generations.map(({ status, costNanoUsd }) => [status, costNanoUsd])).toEqual(
      Array(4).fill(['cancelled', 0]),
    );
  });

  it('that are paused while their last answers come have ended with those', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_last', { items: 2, columns: [toColumn(0)] });
    const { taken } = await take('bat_last', 0, 2);
    await batches.setStatus('bat_last', ['running'], 'paused');
    expect(await batches.finishIfDone('bat_last')).toBe(false);
    await record('bat_last', 0, taken);
    expect((await batches.listLive(0)).map(({ id }) => id)).toContain('bat_last');
    expect(await batches.finishIfDone('bat_last')).toBe(true);
    expect(await batches.find('bat_last')).toMatchObject({ status: 'completed' });
    expect((await batches.listLive(0)).map(({ id }) => id)).not.toContain('bat_last');
  });

  it('have their judges read what both answered, skip what one failed, and wait for what is missing', async () => {
    const { batches } = database;
    const columns = [toColumn(0), toColumn(1), toColumn(2, { judges: [0, 1] }), toColumn(3, { judges: [1] })];
    await storeBatch(batches, 'bat_judged', { items: 4, columns });
    const [left, right] = [await take('bat_judged', 0, 4), await take('bat_judged', 1, 4)];
    expect((await take('bat_judged', 2, 9)).items).toEqual([]);
    const failed = { status: 'failed', text: undefined, error: { code: 'timeout', message: 'late', retryable: true } };
    await record('bat_judged', 0, left.taken.slice(1));
    await record('bat_judged', 1, right.taken.slice(0, 2), { text: 'right' });
    await record('bat_judged', 1, right.taken.slice(2, 3), failed);
    const first = await take('bat_judged', 2, 9);
    expect(first).toMatchObject({ items: [1], skipped: 1 });
    expect(first.taken[0]?.answers).toEqual(['answer 1', 'right']);
    const judged = await batches.find('bat_judged');
    if (judged === undefined) throw new Error('it is there');
    const { generations: skipped } = await batches.generations(judged, columns, { limit: 9, status: 'skipped' });
    expect(skipped).toMatchObject([{ item: 2, column: 2, costNanoUsd: 0 }]);
    expect((await take('bat_judged', 2, 9)).items).toEqual([]);
    // The one that was missing comes later than those behind it.
    await record('bat_judged', 0, left.taken.slice(0, 1));
    expect((await take('bat_judged', 2, 9)).items).toEqual([0]);
    // What was skipped is judged once its answer is there after all.
    await batches.retryFailed('bat_judged');
    expect((await take('bat_judged', 2, 9)).items).toEqual([]);
    await record('bat_judged', 1, (await take('bat_judged', 1, 9)).taken);
    expect((await take('bat_judged', 2, 9)).items).toEqual([2]);
    await record('bat_judged', 1, right.taken.slice(3));
    expect((await take('bat_judged', 2, 9)).items).toEqual([3]);
    expect((await columnsOf('bat_judged')).map(({ nextItem }) => nextItem)).toEqual([4, 4, 4, 0]);
    const scored = await take('bat_judged', 3, 9);
    expect(scored.items).toEqual([0, 1, 2, 3]);
    expect(scored.taken[0]?.answers).toEqual(['right']);
  });

  it('are summed up by column: statuses, assertions, wins in both orders, scores, percentiles', async () => {
    const { batches } = database;
    const columns = [
      toColumn(0),
      toColumn(1),
      toColumn(2, { judges: [0, 1] }),
      toColumn(3, { judges: [1, 0] }),
      toColumn(4, { judges: [0] }),
    ];
    await storeBatch(batches, 'bat_sum', { items: 4, columns });
    const outcomes = (passed: boolean) => [
      { name: 'contains', passed },
      { name: 'short', passed: true },
    ];
    for (const number of [0, 1]) {
      const { taken } = await take('bat_sum', number, 3);
      await record('bat_sum', number, taken.slice(0, 1), { assertions: outcomes(false) });
      await record('bat_sum', number, taken.slice(1, 2), { assertions: outcomes(true), costNanoUsd: null });
      await record('bat_sum', number, taken.slice(2), { assertions: outcomes(true) });
    }
    const winners = [
      ['first', 'second'],
      ['first', 'first'],
      ['second', 'first'],
    ] as const;
    for (const [order, number] of [2, 3].entries()) {
      const { taken } = await take('bat_sum', number, 9);
      for (const [index, one] of taken.entries())
        await record('bat_sum', number, [one], { verdict: { winner: winners[index]?.[order] } });
    }
    const { taken: scored } = await take('bat_sum', 4, 9);
    for (const [index, one] of scored.entries()) await record('bat_sum', 4, [one], { verdict: { score: 6 + index } });
    const batch = await batches.find('bat_sum');
    if (batch === undefined) throw new Error('it is there');
    const [first, second] = await batches.summarize(batch, await columnsOf('bat_sum'));
    expect(first).toEqual({
      column: { number: 0, provider: 'mistral', model: 'm0', lane: 'queue' },
      counts: { waiting: 0, queued: 0, succeeded: 3, failed: 0, cancelled: 0, skipped: 0 },
      passed: 2,
      asserted: 3,
      assertions: { contains: { passed: 2, of: 3 }, short: { passed: 3, of: 3 } },
      wins: 1,
      losses: 1,
      ties: 1,
      score: 7,
      costNanoUsd: 200,
      unpriced: 1,
      inputTokens: 30,
      outputTokens: 15,
      latencyP50Ms: 101,
      latencyP95Ms: 102,
      errors: {},
    });
    expect(second).toMatchObject({ wins: 1, losses: 1, ties: 1 });
    const { taken: last } = await take('bat_sum', 0, 9);
    const error = { code: 'timeout', message: 'too late', retryable: true } as const;
    await batches.record(
      last.map(({ item, requestId }) => ({
        batchId: 'bat_sum',
        item,
        column: 0,
        requestId,
        status: 'failed',
        error,
        costNanoUsd: 7,
        providerMs: 9_000,
        endedAt: 5_000,
      })),
    );
    // A judge has nothing to read there.
    await take('bat_sum', 4, 9);
    const [failing, , , , judge] = await batches.summarize(batch, await columnsOf('bat_sum'));
    expect(failing).toMatchObject({
      counts: { succeeded: 3, failed: 1 },
      errors: { timeout: 1 },
      asserted: 3,
      costNanoUsd: 207,
      // Of answers alone.
      latencyP95Ms: 102,
    });
    expect(judge).toMatchObject({ counts: { succeeded: 3, skipped: 1 }, wins: 0, ties: 0 });
    expect(judge).not.toHaveProperty('score');
  });

  it('tell how many used tokens whose price is unknown, however they ended', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_unpriced', { items: 2, columns: [toColumn(0)] });
    const { taken } = await take('bat_unpriced', 0, 2);
    const failure = { status: 'failed', costNanoUsd: null };
    await record('bat_unpriced', 0, taken.slice(0, 1), failure);
    await record('bat_unpriced', 0, taken.slice(1), { ...failure, usage: undefined });
    const batch = await batches.find('bat_unpriced');
    if (batch === undefined) throw new Error('it is there');
    const [summary] = await batches.summarize(batch, await columnsOf('bat_unpriced'));
    expect(summary).toMatchObject({ counts: { failed: 2 }, costNanoUsd: 0, unpriced: 1 });
    await batches.remove('bat_unpriced');
  });

  it('are paged through by item, then column, also what is not asked yet, and by status and failed assertions', async () => {
    const { batches } = database;
    const batch = await batches.find('bat_sum');
    if (batch === undefined) throw new Error('it is there');
    const columns = (await columnsOf('bat_sum')).slice(0, 2);
    const places: string[] = [];
    for (let after: { item: number; column: number } | undefined; ;) {
      const page = await batches.generations(batch, columns, { limit: 3, after });
      places.push(...page.generations.map(({ item, column, status }) => `${item}.${column} ${status}`));
      after = page.next;
      if (after === undefined) break;
    }
    const done = ['0.0', '0.1', '1.0', '1.1', '2.0', '2.1'].map((place) => `${place} succeeded`);
    expect(places).toEqual([...done, '3.0 failed', '3.1 waiting']);
    const find = async (query: object) =>
      (await batches.generations(batch, columns, { limit: 2, ...query })).generations.map(
        ({ item, column }) => `${item}.${column}`,
      );
    expect(await find({ status: 'succeeded', after: { item: 1, column: 1 } })).toEqual(['2.0', '2.1']);
    expect(await find({ status: 'waiting' })).toEqual(['3.1']);
    expect(await find({ status: 'failed' })).toEqual(['3.0']);
    expect(await find({ status: 'cancelled' })).toEqual([]);
    expect(await find({ failedAssertions: true })).toEqual(['0.0', '0.1']);
    expect(await find({ column: 1, after: { item: 0, column: 1 } })).toEqual(['1.1', '2.1']);
  });

  it('take further columns and run on, unless they were cancelled', async () => {
    const { batches } = database;
    await batches.addColumns('bat_rec', [toColumn(1)], 2_000);
    expect(await batches.find('bat_rec')).toMatchObject({ status: 'running', estimatedNanoUsd: 2_000 });
    expect(await take('bat_rec', 0, 9)).toMatchObject({ items: [] });
    expect(await take('bat_rec', 1, 9)).toMatchObject({ items: [0, 1, 2] });
    await expect(batches.addColumns('bat_rec', [toColumn(1)], null)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(batches.addColumns('bat_stop', [toColumn(1)], null)).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(await columnsOf('bat_stop')).toHaveLength(1);
  });

  it.runIf(kind === 'postgresql')(
    'do not end in the moment in which a column is added, or failures are asked again; what runs again is not taken back',
    async () => {
      const { batches } = database;
      await storeBatch(batches, 'bat_moment', { items: 1, columns: [toColumn(0)] });
      const { taken } = await take('bat_moment', 0, 1);
      await record('bat_moment', 0, taken, { status: 'failed', text: undefined });
      const other = new pg.Client(url);
      await other.connect();
      const untilBlocked = async () => {
        await expect.poll(() => runSql(url, waitsForLock)).toHaveLength(1);
      };
      const statusOf = async () => (await batches.find('bat_moment'))?.status;

      // As `addColumns` does.
      await other.query(`BEGIN; INSERT INTO batch_columns
        SELECT batch_id, 1, provider, model, lane, variant, judges, template, 0 FROM batch_columns WHERE batch_id = 'bat_moment';
        UPDATE batches SET version = version + 1 WHERE id = 'bat_moment'`);
      const ending = batches.finishIfDone('bat_moment');
      await untilBlocked();
      await other.query('COMMIT');
      expect([await ending, await statusOf()]).toEqual([false, 'running']);

      // As `finishIfDone` does.
      await other.query(
        `BEGIN; UPDATE batches SET status = 'completed', ended_at = 1, version = version + 1 WHERE id = 'bat_moment'`,
      );
      const again = batches.retryFailed('bat_moment');
      await untilBlocked();
      await other.query('COMMIT');
      expect([await again, await statusOf()]).toEqual([1, 'running']);

      // As another `retryFailed` and the feeder behind it do.
      await record('bat_moment', 0, (await take('bat_moment', 0, 1)).taken, { status: 'failed', text: undefined });
      await other.query(
        `BEGIN; UPDATE batch_generations SET status = 'queued', request_id = 'gen_other' WHERE batch_id = 'bat_moment'`,
      );
      const late = batches.retryFailed('bat_moment');
      await untilBlocked();
      await other.query('COMMIT');
      expect(await late).toBe(0);
      expect(
        await runSql(url, `SELECT status, request_id FROM batch_generations WHERE batch_id = 'bat_moment'`),
      ).toEqual([{ status: 'queued', request_id: 'gen_other' }]);
      await other.end();
      await batches.remove('bat_moment');
    },
  );

  it('that have ended are deleted whole, others not, and not while a vendor has something of them', async () => {
    const { batches, batchSubmissions } = database;
    const ids = ['bat_gone1', 'bat_gone2', 'bat_gone3'] as const;
    const [first, second, third] = ids;
    for (const id of ids) await storeBatch(batches, id, { items: 3, columns: [toColumn(0)] });
    expect(await batches.discard(first)).toBe(false);
    for (const id of [first, second]) {
      await batches.setStatus(id, ['running'], 'cancelled');
      // Its calls may not be over yet.
      expect(await batches.discard(id)).toBe(false);
      await batches.cancelWaiting(id);
      await batches.finishIfDone(id);
    }
    const submission = { id: 'sub_gone', batchId: second, column: 0, provider: 'mistral', model: 'm0', round: 0 };
    await batchSubmissions.create({ ...submission, requests: [], createdAt: 0, nextAt: 0 });
    const endedBefore = Number.MAX_SAFE_INTEGER;
    const all = await batches.listEnded({ endedBefore, limit: 100 });
    expect(ids.map((id) => all.includes(id))).toEqual([true, true, false]);
    expect(await batches.listEnded({ endedBefore, after: first, limit: 1 })).toEqual([second]);
    expect(await batches.listEnded({ endedBefore: 0, limit: 100 })).toEqual([]);
    expect(await Promise.all([batches.discard(first), batches.discard(first)])).toEqual(
      expect.arrayContaining([true, false]),
    );
    expect(await batches.discard(second)).toBe(false);
    expect([await batches.find(first), await batches.items(first, 0, 9), await batches.columns(first)]).toEqual([
      undefined,
      [],
      [],
    ]);
    expect(await batches.find(second)).toBeDefined();
    expect(await batches.find(third)).toMatchObject({ status: 'running' });
    const claimed = await batchSubmissions.claim('owner', ['mistral'], Number.MAX_SAFE_INTEGER);
    await batchSubmissions.change(claimed?.id ?? '', 'owner', { status: 'ended' });
    expect(await batches.discard(second)).toBe(true);
  });

  it('are deleted so many days after they ended, by one of those who look', async () => {
    const { batches } = database;
    for (const id of ['bat_old', 'bat_new', 'bat_open'])
      await storeBatch(batches, id, { items: 1, columns: [toColumn(0)] });
    const dayMs = 86_400_000;
    const endAt = async (id: string, time: number) => {
      clock = time;
      await batches.setStatus(id, ['running'], 'cancelled');
      await batches.cancelWaiting(id);
      await batches.finishIfDone(id);
    };
    const before = clock;
    await endAt('bat_old', before + dayMs);
    await endAt('bat_new', before + 3 * dayMs);
    const options = { retentionDays: 7, database: () => Promise.resolve(database), now: () => before + 9 * dayMs };
    const logger = await createLogger({ name: 'retention', level: 'silent', format: 'json' });
    const keepers = [1, 2].map(() => createBatchRetention({ ...options, logger }));
    await Promise.all(keepers.map((keeper) => keeper.keep()));
    await Promise.all(keepers.map((keeper) => keeper.close()));
    const ids = ['bat_old', 'bat_new', 'bat_open'];
    expect(await Promise.all(ids.map(async (id) => (await batches.find(id))?.id))).toEqual([
      undefined,
      'bat_new',
      'bat_open',
    ]);
    clock = before;
  });

  it('whose calls cost nobody knows what say so, also where they are cancelled while they wait for another', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_unknown', { items: 2, columns: [toColumn(0)] });
    const failed = { status: 'failed', text: undefined } as const;
    const [first, second] = (await take('bat_unknown', 0, 2)).taken;
    if (first === undefined || second === undefined) throw new Error('two were taken');
    await record('bat_unknown', 0, [first], { ...failed, costNanoUsd: null });
    await record('bat_unknown', 0, [second], { ...failed, costNanoUsd: 7 });
    await batches.retryFailed('bat_unknown');
    await batches.setStatus('bat_unknown', ['running'], 'cancelled');
    await batches.cancelWaiting('bat_unknown');
    const batch = await batches.find('bat_unknown');
    if (batch === undefined) throw new Error('it is there');
    const { generations } = await batches.generations(batch, await columnsOf('bat_unknown'), { limit: 10 });
    expect(generations.map(({ costNanoUsd }) => costNanoUsd)).toEqual([null, 7]);
    await batches.remove('bat_unknown');
  });

  it('are listed newest first, by client and page', async () => {
    const { batches } = database;
    await storeBatch(batches, 'bat_zz1', { items: 1, columns: [toColumn(0)], client: 'other' });
    await storeBatch(batches, 'bat_zz2', { items: 1, columns: [toColumn(0)], client: 'other' });
    const list = async (query: { before?: string }) =>
      (await batches.list({ client: 'other', limit: 1, ...query })).map(({ id }) => id);
    expect([await list({}), await list({ before: 'bat_zz2' }), await list({ before: 'bat_zz1' })]).toEqual([
      ['bat_zz2'],
      ['bat_zz1'],
      [],
    ]);
  });

  it('store nothing that could not be read again, and say what', async () => {
    const { batches } = database;
    const create = (more: object, column: object = {}) =>
      batches.create({ id: 'bat_odd', client: 'tests', spec: { ...spec, ...more } }, [toColumn(0, column)]);
    const refusal = (message: string) => ({ code: 'invalid_request', message: expect.stringContaining(message) });
    await expect(create({ assertions: [{ type: 'max_cost', nanoUsd: 1e17 }] })).rejects.toMatchObject(
      refusal('The batch cannot be stored: assertions.0.nanoUsd: '),
    );
    await expect(create({ variants: [{ name: '\0', settings: {} }] })).rejects.toMatchObject(
      refusal('variants.0.name: '),
    );
    const { template } = toColumn(0);
    await expect(create({}, { template: { ...template, timeoutMs: 1.5 } })).rejects.toMatchObject(
      refusal('What mistral/m0 is asked with cannot be stored: timeoutMs: '),
    );
    expect(await batches.find('bat_odd')).toBeUndefined();
    await create({});
    for (const odd of [{ id: '\0' }, { settings: { stop: ['\0'] } }])
      await expect(batches.addItems('bat_odd', 2, [toItem(2), { ...toItem(3), ...odd }])).rejects.toMatchObject(
        refusal('Item 4 cannot be stored: '),
      );
    expect(await batches.items('bat_odd', 0, 10)).toEqual([]);
    await batches.remove('bat_odd');
  });

  it('that cannot be read are left out where others stand beside them', async () => {
    const { batches } = database;
    for (const id of ['bat_zzz1', 'bat_zzz2', 'bat_zzz3'])
      await storeBatch(batches, id, { items: 3, columns: [toColumn(0)], client: 'readers' });
    await runSql(url, `UPDATE batches SET spec = '{"of": "tomorrow"}' WHERE id = 'bat_zzz2'`);
    const live = (await batches.listLive(clock)).map(({ id }) => id);
    expect(live.filter((id) => id.startsWith('bat_zzz'))).toEqual(['bat_zzz1', 'bat_zzz3']);
    const listed = await batches.list({ client: 'readers', limit: 2 });
    expect(listed.map(({ id }) => id)).toEqual(['bat_zzz3', 'bat_zzz1']);
    await expect(batches.find('bat_zzz2')).rejects.toMatchObject({
      name: 'UnreadableError',
      message: expect.stringContaining('The batch bat_zzz2 cannot be read: settings: '),
    });
    // An item that cannot be read is told, and nothing is marked as taken on its account.
    await runSql(url, `UPDATE batch_items SET content = '{"id": ""}' WHERE batch_id = 'bat_zzz1' AND number = 1`);
    await expect(take('bat_zzz1', 0, 3)).rejects.toThrow('Item 2 of the batch bat_zzz1 cannot be read: id: ');
    expect(await batches.outstanding('bat_zzz1')).toEqual([]);
    expect((await take('bat_zzz1', 0, 1)).items).toEqual([0]);
    await runSql(url, `UPDATE batch_columns SET template = '{"attempts"' WHERE batch_id = 'bat_zzz3'`);
    await expect(batches.columns('bat_zzz3')).rejects.toThrow(
      'The column 0 of the batch bat_zzz3 cannot be read: it is no JSON',
    );
    for (const id of ['bat_zzz1', 'bat_zzz2', 'bat_zzz3']) await batches.remove(id);
  });
});
