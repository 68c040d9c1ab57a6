import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

// Outages of ten seconds, and pauses between attempts that grow with them.
vi.setConfig({ testTimeout: 120_000 });

/** With the database away an answer takes no longer than it would; the machine may be busy. */
const promptlyMs = 1_000;

/** A stack whose workers and fronts reach PostgreSQL through `proxy`; the test itself reads it directly. */
async function createPostgresStack() {
  const direct = await createEmptyDatabase('postgresql');
  const proxied = new URL(direct);
  const proxy = await createTcpProxy(Number(proxied.port));
  onTestFinished(() => proxy.close());
  proxied.port = String(proxy.port);
  const stack = await createFaultStack({ databaseUrl: direct, env: { DATABASE_URL: proxied.href } });
  return { stack, proxy };
}

function lockSqlite({ databaseUrl }: FaultStack): { release(): void } {
  const lock = new Sqlite(databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  return { release: () => void lock.exec('ROLLBACK') };
}

async function generatePromptly(stack: FaultStack, front: Awaited<ReturnType<FaultStack['openFront']>>, name: string) {
  const askedAt = performance.now();
  const asked = await stack.generate(front, name);
  expect((await asked.result).text).toContain(asked.prompt);
  expect(performance.now() - askedAt).toBeLessThan(promptlyMs);
  return asked;
}

/** Batches of rows that wait in Redis for the database. */
const countQueued = async (stack: FaultStack) =>
  (await stack.redis.client().keys('{aimm}:persist-usage:usage_*')).filter((key) => !key.endsWith(':lock')).length;

const countRows = async (stack: FaultStack) =>
  (await (await stack.database()).ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals.calls;

test('with PostgreSQL gone answers arrive as ever, and their rows once it is back, each once', async () => {
  const { stack, proxy } = await createPostgresStack();
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await expectInvariants(stack);
  await proxy.cut();

  const costly = await stack.generate(front, 'has a price', {
    model: 'mistral/mistral-medium-3-5',
    tags: ['costly'],
  });
  await costly.result;
  for (const name of ['one', 'two', 'three']) await generatePromptly(stack, front, name);
  await Promise.all(Array.from({ length: 20 }, (_, index) => stack.answer(front, `together ${index}`)));
  await expect.poll(() => worker.log(), { timeout: 10_000 }).toContain('queueing them');
  expect(await countRows(stack)).toBe(1);

  await proxy.restore();
  const rows = await expectInvariants(stack);
  // By its list price, whoever wrote it down meanwhile.
  expect(rows.get(costly.requestId)).toMatchObject([{ costNanoUsd: 52_500, client: 'tests', tags: ['costly'] }]);
});

test('a worker that starts while PostgreSQL is gone answers, and its rows arrive later', async () => {
  const { stack, proxy } = await createPostgresStack();
  await stack.database();
  await proxy.cut();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  // A worker's first call loads the vendor's SDK.
  await stack.answer(front, 'first');
  await generatePromptly(stack, front, 'second');
  expect(await countRows(stack)).toBe(0);
  await proxy.restore();
  await expectInvariants(stack);
});

test('every call of a request that is tried again while the database is gone has its row in the end', async () => {
  const { stack, proxy } = await createPostgresStack();
  stack.upstream.behave((call, tools) =>
    call.number <= 2 ? tools.fail(500, { message: 'broken' }) : echo(call, tools),
  );
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.database();
  await proxy.cut();
  const asked = await stack.generate(front, 'third time lucky');
  await asked.result;
  await expect.poll(() => countQueued(stack), { timeout: 10_000 }).toBe(3);
  await proxy.restore();
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)?.map(({ status }) => status)).toEqual(['failed', 'failed', 'succeeded']);
});

test('with SQLite locked by another process answers arrive as ever, and their rows once it is free, each once', async () => {
  const stack = await createFaultStack();
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await expectInvariants(stack);
  const lock = lockSqlite(stack);

  await Promise.all(['one', 'two', 'three'].map((name) => generatePromptly(stack, front, name)));
  // The worker waits five seconds for the database before it puts the rows aside.
  await expect.poll(() => worker.log(), { timeout: 15_000 }).toContain('queueing them');
  await generatePromptly(stack, front, 'four');
  // The next are put aside at once.
  await expect.poll(() => countQueued(stack)).toBe(2);
  expect(await countRows(stack)).toBe(1);

  lock.release();
  await expectInvariants(stack);
});

test('rows that were put aside outlive the death of every worker that tries to write them', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await expectInvariants(stack);
  const lock = lockSqlite(stack);
  await stack.answer(front, 'put aside');
  await expect.poll(() => first.log(), { timeout: 15_000 }).toContain('queueing them');

  const redis = stack.redis.client();
  const stalled = async () => {
    const [job] = await redis.lrange('{aimm}:persist-usage:active', 0, -1);
    const locked = job !== undefined && (await redis.exists(`{aimm}:persist-usage:${job}:lock`)) === 1;
    return locked ? Number((await redis.hget(`{aimm}:persist-usage:${job}`, 'stc')) ?? 0) : -1;
  };
  let worker = first;
  // A generation would be given up at the fourth.
  for (let deaths = 0; deaths < 4; deaths += 1) {
    await expect.poll(stalled, { timeout: 15_000 }).toBeGreaterThanOrEqual(deaths);
    await worker.end('SIGKILL');
    worker = await stack.startWorker();
  }
  await expect.poll(stalled, { timeout: 15_000 }).toBeGreaterThanOrEqual(4);
  lock.release();
  await expectInvariants(stack);
});
