import { setTimeout as delay } from 'node:timers/promises';
import type { BatchGeneration, Checkpoint } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import Sqlite from 'better-sqlite3';
import { expect, inject, onTestFinished, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { endOfBatch, readAllGenerations, startBatch, toItems } from '../support/batches.ts';
import { createFaultStack, type FaultStack, type ProvidersContent } from '../support/fault-stack.ts';
import { startProcess } from '../support/processes.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

const isLong = process.env['FAULT_ROUNDS'] !== undefined;
const small = 'mistral/mistral-small-latest';

interface Row {
  prompt?: string;
  request_id: string;
  provider: string;
  status: string;
}

/** The ledger's rows of a batch. */
function readRows({ databaseUrl }: FaultStack, batchId: string): Row[] {
  const file = new Sqlite(databaseUrl.slice('file:'.length), { readonly: true });
  try {
    return file
      .prepare<[string], Row>('SELECT request_id, provider, status FROM usage_stats WHERE parent_id = ?')
      .all(batchId);
  } finally {
    file.close();
  }
}

/** Every item of every column ended once, with its own answer. */
function expectWhole(all: readonly BatchGeneration[], name: string, items: number, columns: number): void {
  expect(all.map(({ item, column, status, text }) => `${item}.${column} ${status} ${text}`)).toEqual(
    Array.from({ length: items * columns }, (_, place) => {
      const item = Math.floor(place / columns);
      return `${item}.${place % columns} succeeded echo: <<${name} ${item}>>`;
    }),
  );
}

/**
 * Each call that the vendor saw is a row of the ledger; rows without one are of calls that a crash cut off before they were made.
 * Gives how many calls were made more than once.
 */
async function expectAccounts(stack: FaultStack, batchId: string): Promise<number> {
  const calls = stack.upstream.calls.length;
  const unseen = () => readRows(stack, batchId).length - calls;
  await expect.poll(unseen, { timeout: 10_000 }).toBeGreaterThanOrEqual(0);
  const rows = readRows(stack, batchId);
  const unknown = rows.filter(({ status }) => status === 'outcome_unknown').length;
  expect(rows.length - calls).toBeLessThanOrEqual(unknown);
  return rows.length - rows.filter(({ status }) => status === 'succeeded').length;
}

const ofFive = (file: ProvidersContent, upstreamUrl: string) => {
  for (const id of ['five-a', 'five-b', 'five-c', 'five-d'])
    file.providers.push({ id, kind: 'openai-compatible', baseUrl: `${upstreamUrl}/v1`, concurrency: 8, attempts: 3 });
};
const five = [small, 'five-a/m', 'five-b/m', 'five-c/m', 'five-d/m'];
const doneOf = async (front: Manager, batchId: string) => (await front.getBatch(caller, batchId)).counts.succeeded;

test(
  'a batch over five providers, with a killed worker, a restarted Redis and a pause, answers every item once',
  async () => {
    const items = isLong ? 2_000 : 60;
    const stack = await createFaultStack({ change: ofFive, env: { MISTRAL_CONCURRENCY: '8' } });
    const { upstream, redis } = stack;
    upstream.behave(async (call, tools) => {
      await delay(30);
      return echo(call, tools);
    });
    const [front, first] = await Promise.all([stack.openFront(), stack.startWorker(), stack.startWorker()]);
    const { batchId, total } = await startBatch(front, { items: toItems('five', items), models: five });
    expect(total).toBe(items * 5);
    const reached = async (share: number) => {
      await expect
        .poll(() => doneOf(front, batchId), { timeout: isLong ? 120_000 : 20_000, interval: 50 })
        .toBeGreaterThanOrEqual(total * share);
    };

    await reached(0.1);
    await first.end('SIGKILL');
    const third = stack.startWorker();
    await reached(0.3);
    await front.pauseBatch(caller, batchId);
    await expect.poll(async () => (await front.getBatch(caller, batchId)).counts.queued, { timeout: 15_000 }).toBe(0);
    const paused = upstream.calls.length;
    await delay(300);
    expect(upstream.calls).toHaveLength(paused);
    await front.resumeBatch(caller, batchId);
    await third;
    await reached(0.6);
    await redis.kill();
    await redis.start();

    const view = await endOfBatch(front, batchId, isLong ? 240_000 : 30_000);
    expect(view).toMatchObject({ status: 'completed', counts: { succeeded: total } });
    expectWhole(await readAllGenerations(front, batchId), 'five', items, 5);
    // At most what ran when its worker was killed, and what Redis did not hear the end of.
    expect(await expectAccounts(stack, batchId)).toBeLessThanOrEqual(5 * 8 * 2);
    const client = redis.client();
    const isRecord = (key: string) => key.startsWith('{aimm}:request:');
    const jobs = async () => (await client.keys('{aimm}:*:gen_*')).filter((key) => !isRecord(key));
    await expect.poll(jobs, { timeout: 10_000 }).toEqual([]);
    // What ended while there was no Redis to forget it goes by itself.
    const left = await client.keys('{aimm}:request:gen_*');
    expect(left.length).toBeLessThanOrEqual(5 * 8);
    for (const key of left) expect(await client.pttl(key)).toBeGreaterThan(0);
  },
  isLong ? 600_000 : 60_000,
);

test('a batch outlives a Redis that comes back empty, and the calls of that moment are accounted for', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '5' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number > 20 && call.number <= 25) await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await startBatch(front, { items: toItems('emptied', 60) });
  await upstream.arrived(25);
  await stack.redis.client().flushall();
  upstream.release();

  expect(await endOfBatch(front, batchId, 40_000)).toMatchObject({ status: 'completed', counts: { succeeded: 60 } });
  expectWhole(await readAllGenerations(front, batchId), 'emptied', 60, 1);
  await expectAccounts(stack, batchId);
  // Those five were called again, as nobody could know how they ended; and nothing else was.
  expect(upstream.calls.length).toBeLessThanOrEqual(60 + 5);
});

test('results that the database does not take are brought when it does, and nobody is asked again for them', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '10' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await startBatch(front, { items: toItems('locked', 30) });
  await upstream.arrived(10);
  const lock = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  upstream.behave(echo);
  upstream.release();
  const owed = () => stack.redis.client().keys('{aimm}:persist-batch:result_gen_*');
  await expect.poll(async () => (await owed()).length, { timeout: 20_000 }).toBeGreaterThanOrEqual(10);
  lock.exec('ROLLBACK');

  expect(await endOfBatch(front, batchId, 30_000)).toMatchObject({ status: 'completed', counts: { succeeded: 30 } });
  expectWhole(await readAllGenerations(front, batchId), 'locked', 30, 1);
  expect(upstream.calls).toHaveLength(30);
  await expectAccounts(stack, batchId);
  expect(await owed()).toEqual([]);
});

test('a front that is killed while it writes items leaves a batch that never runs, and is tidied away', async () => {
  const stack = await createFaultStack();
  const writer = startProcess('tests/support/batch-front-process.ts', stack.env);
  onTestFinished(async () => void (await writer.end('SIGKILL')));
  const written = await new Promise<number>((resolve, reject) => {
    writer.child.on('message', (message: { written: number }) => message.written >= 500 && resolve(message.written));
    void writer.exited.then((code) => reject(new Error(`it left with code ${code}:\n${writer.log()}`)));
  });
  expect(written).toBe(500);
  await writer.end('SIGKILL');
  const file = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void file.close());
  const count = (table: string) => file.prepare<[], { n: number }>(`SELECT COUNT(*) AS n FROM ${table}`).get()?.n;
  expect([count('batches'), count('batch_items')]).toEqual([1, 500]);
  // As if it had been a while ago.
  file.exec('UPDATE batches SET touched_at = touched_at - 600000');
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  expect((await front.listBatches(caller)).batches).toEqual([]);
  await expect.poll(() => [count('batches'), count('batch_items')], { timeout: 10_000 }).toEqual([0, 0]);
  expect(stack.upstream.calls).toEqual([]);
});

test('whoever feeds is followed by another when it is killed, also between taking items and queueing them', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '4' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await delay(20);
    return echo(call, tools);
  });
  const front = await stack.openFront();
  const { batchId } = await startBatch(front, { items: toItems('orphans', 80) });
  // What a feeder left that died in between: rows that say “queued”, of which Redis knows nothing.
  const database = await stack.database();
  const [column] = await database.batches.columns(batchId);
  if (column === undefined) throw new Error('it has a column');
  let number = 0;
  const createId = () => `gen_01a20000-0000-7000-8000-${String((number += 1)).padStart(12, '0')}`;
  const at = Date.now() - 60_000;
  await database.batches.take(batchId, column, { limit: 15, maxBytes: 1e6, createId, at });
  const first = await stack.startWorker();
  await upstream.arrived(10);
  await Promise.all([first.end('SIGKILL'), stack.startWorker()]);
  expect(await endOfBatch(front, batchId, 40_000)).toMatchObject({ status: 'completed', counts: { succeeded: 80 } });
  expectWhole(await readAllGenerations(front, batchId), 'orphans', 80, 1);
  // Only what ran at the kill was called again.
  expect(await expectAccounts(stack, batchId)).toBeLessThanOrEqual(4);
});

test('a generation whose job kept stopping its workers is recorded as failed, and the batch ends', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const { upstream } = stack;
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  upstream.behave((call, tools) => (call.prompt.includes('poison 1') ? tools.held : echo(call, tools)));
  const { batchId } = await startBatch(front, { items: toItems('poison', 3) });
  await upstream.arrived(3);
  await expect.poll(() => doneOf(front, batchId), { timeout: 10_000 }).toBe(2);
  const [poison] = (await front.listBatchGenerations(caller, batchId, { status: 'queued' })).generations;
  // As if it had done so three times before.
  await stack.redis.client().hset(`{aimm}:mistral:${poison?.requestId}`, 'stc', '3');
  await Promise.all([first.end('SIGKILL'), stack.startWorker()]);
  const view = await endOfBatch(front, batchId, 60_000);
  expect(view).toMatchObject({ status: 'completed', counts: { succeeded: 2, failed: 1 } });
  const [failed] = (await front.listBatchGenerations(caller, batchId, { status: 'failed' })).generations;
  expect(failed).toMatchObject({ item: 1, error: { code: 'outcome_unknown' } });
});

test('a budget that has no room pauses a batch with its name, and it goes on by itself once there is some', async () => {
  const stack = await createFaultStack({
    change: (file) => Object.assign(file, { budgets: [{ name: 'tiny', limitUsd: 0.2, period: 'day' }] }),
  });
  stack.upstream.behave((_call, { finish }) => finish({ text: 'dear', completionTokens: 4_000 }));
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const models = ['mistral/mistral-medium-3-5'];
  const { batchId } = await startBatch(front, { items: toItems('budget', 40), models });
  const read = () => front.getBatch(caller, batchId);
  await expect.poll(async () => (await read()).status, { timeout: 15_000 }).toBe('paused');
  const paused = await read();
  expect(paused.pausedBecause).toMatch(/The budget "tiny" \(\$0\.20 a day\) has no room.*It renews at \d{4}-/);
  expect(paused.counts.succeeded).toBeGreaterThan(0);
  expect(paused.counts.queued).toBe(0);
  expect(paused.costNanoUsd).toBeLessThanOrEqual(200_000_000);
  // As it is when a period begins: nothing is spent of it.
  const redis = stack.redis.client();
  const [counter = ''] = (await redis.keys('{aimm}:budget:tiny:*')).filter((key) => !key.endsWith(':holds'));
  const held = Number(await redis.hget(counter, 'held'));
  expect(held).toBe(0);
  await redis.hset(counter, 'spent', '-1000000000000');
  expect(await endOfBatch(front, batchId, 30_000)).toMatchObject({ status: 'completed', counts: { succeeded: 40 } });
  expect(stack.upstream.calls).toHaveLength(40);
});

test('a batch on PostgreSQL is answered as on SQLite, by two workers', async () => {
  expect(inject('postgresUrl')).toBeTruthy();
  const stack = await createFaultStack({ databaseUrl: await createEmptyDatabase('postgresql') });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker(), stack.startWorker()]);
  const judge = { model: small };
  stack.upstream.behave((call, tools) =>
    call.prompt.startsWith('<request>') ? tools.finish({ text: '{"score": 7}' }) : echo(call, tools),
  );
  const assertions = [{ type: 'contains' as const, value: 'echo' }];
  const { batchId } = await startBatch(front, { items: toItems('postgres', 100), judge, assertions });
  const view = await endOfBatch(front, batchId, 30_000);
  expect(view).toMatchObject({ status: 'completed', counts: { succeeded: 200 } });
  expect(view.columns[0]).toMatchObject({ score: 7, passed: 100, asserted: 100, inputTokens: 1_000 });
  const all = await readAllGenerations(front, batchId);
  expectWhole(
    all.filter(({ column }) => column === 0),
    'postgres',
    100,
    1,
  );
  expect(stack.upstream.calls).toHaveLength(200);
});

test('what a generation had cost before its batch was cancelled is part of what the batch cost', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave((_call, { fail }) => fail(500, { message: 'broken' }, { 'retry-after': '600' }));
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await startBatch(front, { items: toItems('dear', 1), models: [small] });
  const redis = stack.redis.client();
  await stack.upstream.arrived(1);
  // It waits to be tried again; its first call cost something.
  const waiting = async () => (await redis.zrangebyscore('{aimm}:mistral:delayed', 0, '+inf'))[0] ?? '';
  const stateOf = async (id: string) => {
    const json = id === '' ? null : await redis.hget(`{aimm}:mistral:${id}`, 'aimm:checkpoint');
    return json === null ? undefined : (JSON.parse(json) as Checkpoint);
  };
  await expect.poll(async () => (await stateOf(await waiting()))?.calls.map(({ state }) => state)).toEqual(['failed']);
  const requestId = await waiting();
  const checkpoint = await stateOf(requestId);
  const rows = checkpoint?.rows.map((row) => ({ ...row, costNanoUsd: 5_000 }));
  await redis.hset(`{aimm}:mistral:${requestId}`, 'aimm:checkpoint', JSON.stringify({ ...checkpoint, rows }));
  await front.cancelBatch(caller, batchId);
  expect(await endOfBatch(front, batchId)).toMatchObject({ status: 'cancelled', costNanoUsd: 5_000 });
});
