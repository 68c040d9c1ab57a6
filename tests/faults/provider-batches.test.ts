import { type BatchServer, startBatchServer, wholeWires } from '@aimm/providers/testing';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { caller } from '../support/asker.ts';
import { endOfBatch, readAllGenerations, startBatch, toItems } from '../support/batches.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';

vi.setConfig({ testTimeout: 120_000 });

const soon = { timeout: 30_000, interval: 25 };
const model = 'mistral/mistral-small-latest';
const isCreate = (method: string, path: string) => method === 'POST' && path === '/v1/batch/jobs';

/** A stack whose provider has a batch API, which answers every prompt with itself. */
async function createBatchStack() {
  const vendor = await startBatchServer('mistral');
  onTestFinished(() => vendor.close());
  vendor.fateOf = (_id, body) => ({
    answer: wholeWires.mistral.text(`echo: ${/<<.*?>>/.exec(JSON.stringify(body))?.[0]}`, {
      input: 10,
      output: 5,
      cacheRead: 0,
      reasoning: 0,
    }),
  });
  const stack = await createFaultStack({ env: { MISTRAL_BASE_URL: vendor.url, AIMM_BATCH_POLL_SECONDS: '1' } });
  return { stack, vendor };
}

const ask = (front: Awaited<ReturnType<FaultStack['openFront']>>, name: string, items: number) =>
  startBatch(front, { items: toItems(name, items), models: [model], lane: 'provider_batch' });

function openFile({ databaseUrl }: FaultStack): Sqlite.Database {
  const file = new Sqlite(databaseUrl.slice('file:'.length), { timeout: 2_000 });
  onTestFinished(() => void file.close());
  return file;
}

/** As if it had been a while since a worker that is dead had what it worked on. */
function letTimePass(stack: FaultStack): void {
  openFile(stack).exec(
    'UPDATE batch_submissions SET lease_until = 0, next_at = 0, attempted_at = attempted_at - 600000',
  );
}

/** Kills the worker at the moment in which the vendor is asked this; what it asked is done all the same. */
function killAt(vendor: BatchServer, worker: { signal(signal: NodeJS.Signals): void }, isIt: typeof isCreate) {
  return new Promise<void>((resolve) => {
    vendor.refuse = (method, path) => {
      if (!isIt(method, path)) return undefined;
      vendor.refuse = undefined;
      worker.signal('SIGKILL');
      resolve();
      return undefined;
    };
  });
}

/** Every item has its own answer and one row in the ledger; the vendor was given one batch. */
async function expectOnce(stack: FaultStack, vendor: BatchServer, batchId: string, name: string, items: number) {
  const front = await stack.openFront();
  const view = await endOfBatch(front, batchId, 60_000);
  expect(view).toMatchObject({ status: 'completed', counts: { succeeded: items } });
  const all = await readAllGenerations(front, batchId);
  expect(all.map(({ item, text }) => `${item} ${text}`)).toEqual(
    Array.from({ length: items }, (_, item) => `${item} echo: <<${name} ${item}>>`),
  );
  expect(vendor.batches).toHaveLength(1);
  const rows = () => openFile(stack).prepare('SELECT status, COUNT(*) AS n FROM usage_stats GROUP BY status').all();
  await expect.poll(rows, { ...soon, message: 'rows of the ledger' }).toEqual([{ status: 'succeeded', n: items }]);
}

test.each([
  {
    when: 'before the vendor has the batch',
    isIt: (method: string, path: string) => method === 'POST' && path === '/v1/files',
  },
  { when: 'while the vendor makes the batch', isIt: isCreate },
])('a worker killed $when: another one goes on, and the vendor is given one batch', async ({ isIt }) => {
  const { stack, vendor } = await createBatchStack();
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const killed = killAt(vendor, first, isIt);
  const { batchId } = await ask(front, 'submitted', 20);
  await killed;
  await first.exited;
  letTimePass(stack);
  await stack.startWorker();
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  vendor.end('ended');
  await expectOnce(stack, vendor, batchId, 'submitted', 20);
});

test('a worker killed while it records what came back: the next one records the rest, and nothing twice', async () => {
  const items = 1_500;
  const { stack, vendor } = await createBatchStack();
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await ask(front, 'recorded', items);
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  const rows = openFile(stack).prepare<[], { n: number }>('SELECT COUNT(*) AS n FROM usage_stats');
  const count = () => rows.get()?.n ?? 0;
  vendor.end('ended');
  await expect.poll(count, { timeout: 30_000, interval: 1 }).toBeGreaterThan(0);
  await first.end('SIGKILL');
  const recorded = count();
  expect(recorded).toBeLessThan(items);
  letTimePass(stack);
  await stack.startWorker();
  await expectOnce(stack, vendor, batchId, 'recorded', items);
});

test('a worker killed while it cancels at the vendor: the next one cancels there, and what was done is kept', async () => {
  const { stack, vendor } = await createBatchStack();
  const answer = vendor.fateOf;
  vendor.fateOf = (id, body) => (id.endsWith('i0') ? answer(id, body) : 'cancelled');
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await ask(front, 'cancelled', 4);
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  vendor.end('running');
  // It is killed, and what it asked never arrives.
  const killed = new Promise<void>((resolve) => {
    vendor.refuse = (_method, path) => {
      if (!path.endsWith('/cancel')) return undefined;
      vendor.refuse = undefined;
      first.signal('SIGKILL');
      resolve();
      return { status: 503, body: {} };
    };
  });
  await front.cancelJob(caller, batchId);
  await killed;
  await first.exited;
  expect(vendor.batches[0]?.state).toBe('running');
  letTimePass(stack);
  await stack.startWorker();
  await expect.poll(() => vendor.batches[0]?.state, soon).toBe('ending');
  vendor.end('cancelled');
  expect(await endOfBatch(front, batchId, 30_000)).toMatchObject({ counts: { succeeded: 1, cancelled: 3 } });
  expect(openFile(stack).prepare('SELECT status FROM usage_stats').all()).toEqual([{ status: 'succeeded' }]);
});

test('Redis is emptied while a batch is at its vendor: what comes back is recorded as ever', async () => {
  const { stack, vendor } = await createBatchStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await ask(front, 'emptied', 20);
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  await stack.redis.client().flushall();
  vendor.end('ended');
  await expectOnce(stack, vendor, batchId, 'emptied', 20);
});

test('the database is away when a batch comes back: its results are there once it is back, each once', async () => {
  const { stack, vendor } = await createBatchStack();
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await ask(front, 'locked', 20);
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  // Asked after once: the vendor's word stands in the database.
  const asked = () =>
    vendor.received.filter(({ method, path }) => method === 'GET' && path.includes('/batch/jobs/')).length;
  await expect.poll(asked, soon).toBeGreaterThan(0);
  const results = new Promise<void>((resolve) => {
    const tamper = vendor.tamper;
    vendor.tamper = (lines) => {
      lock.exec('BEGIN EXCLUSIVE');
      vendor.tamper = tamper;
      resolve();
      return tamper(lines);
    };
  });
  const lock = openFile(stack);
  vendor.end('ended');
  await results;
  await expect
    .poll(() => worker.log(), soon)
    .toMatch(/The database does not take rows|queueing them|failed and is tried again/);
  lock.exec('ROLLBACK');
  await expectOnce(stack, vendor, batchId, 'locked', 20);
});

test('a worker whose clock jumps takes no submission from another, and looks after what is due', async () => {
  const jumping = { NODE_OPTIONS: `--import ${new URL('../support/clock-jump.ts', import.meta.url).href}` };
  const { stack, vendor } = await createBatchStack();
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker(jumping)]);
  first.child.send({ type: 'clock', offsetMs: -3_600_000 });
  const { batchId } = await ask(front, 'late', 5);
  await expect.poll(() => vendor.batches.length, soon).toBe(1);
  const database = await stack.database();
  const held = await database.batchSubmissions.listOpen(['mistral']);
  expect(held.map(({ nextAt }) => nextAt > Date.now() - 60_000)).toEqual([true]);
  first.child.send({ type: 'clock', offsetMs: 3_600_000 });
  // Somebody works on it for two minutes.
  const holder = openFile(stack);
  const until = Date.now() + 120_000;
  holder.exec(`UPDATE batch_submissions SET owner = 'another', lease_until = ${until}, next_at = 0`);
  const [own] = vendor.batches;
  if (own === undefined) throw new Error('the vendor has no batch');
  const looksAtIt = () => vendor.received.filter(({ path }) => path.includes(own.id)).length;
  const before = looksAtIt();
  own.state = 'ended';
  // By then it has looked what is due.
  const second = await ask(front, 'later', 3);
  await expect.poll(() => vendor.batches.length, soon).toBe(2);
  expect(looksAtIt()).toBe(before);
  holder.exec(`UPDATE batch_submissions SET owner = NULL, lease_until = 0 WHERE owner = 'another'`);
  expect(await endOfBatch(front, batchId, 30_000)).toMatchObject({ status: 'completed', counts: { succeeded: 5 } });
  vendor.end('ended');
  expect(await endOfBatch(front, second.batchId, 30_000)).toMatchObject({ counts: { succeeded: 3 } });
  expect(openFile(stack).prepare('SELECT COUNT(*) AS n FROM usage_stats').get()).toEqual({ n: 8 });
});
