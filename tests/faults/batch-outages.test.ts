import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { countOwed, expectEachItemOnce } from '../support/batch-invariants.ts';
import { startBatch, toItems } from '../support/batches.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { requireRecovery } from '../support/measured.ts';
import { heapProbe, measureProcess } from '../support/measure-process.ts';
import type { OwnProcess } from '../support/processes.ts';
import { type Behaviour, echo, type Upstream } from '../support/upstream.ts';

const isLong = process.env['FAULT_ROUNDS'] !== undefined;
vi.setConfig({ testTimeout: 180_000 });

const concurrency = 10;
/** So much of a batch stands in a provider's queue at most (`toWindow` of the feeder). */
const window = 4 * concurrency;
/** So many calls are answered at once where a test wants the next ones to be under way when something happens. */
const held = 4 * concurrency;
/** What is left after garbage collection; code that runs for the first time takes some megabytes. */
const growsAtMostKb = 12_000;
const jumping = { NODE_OPTIONS: `--import ${new URL('../support/clock-jump.ts', import.meta.url).href}` };
const hourMs = 3_600_000;

const countLines = (own: OwnProcess) => own.log().split('\n').length;

const answerSoon: Behaviour = async (call, tools) => {
  await delay(20);
  return echo(call, tools);
};

function holdAfter(upstream: Upstream, count: number): void {
  upstream.behave(async (call, tools) => {
    if (call.number > count) await tools.held;
    return answerSoon(call, tools);
  });
}

// Nobody dies here: no lock may be lost by a machine that is busy, which would be a repeated call.
async function createBatchStack(lockMs = 60_000): Promise<FaultStack> {
  const env = { AIMM_LOCK_SECONDS: String(lockMs / 1_000), MISTRAL_CONCURRENCY: String(concurrency) };
  const stack = await createFaultStack({ env });
  stack.upstream.behave(answerSoon);
  return stack;
}

test('no room is left for the database under a batch: what was answered waits, and every item is asked and accounted for once', async () => {
  const items = isLong ? 2_000 : 120;
  const stack = await createBatchStack();
  const { upstream } = stack;
  const front = await stack.openFront();
  const { batchId } = await startBatch(front, { items: toItems('full', items) });
  // What the front has written is in the database itself: what a worker adds begins at the log's first byte.
  const file = new Sqlite(stack.databaseUrl.slice('file:'.length));
  file.pragma('wal_checkpoint(TRUNCATE)');
  file.close();
  // It ends after some of the batch.
  const cramped = await stack.startWorker({ NODE_OPTIONS: heapProbe }, { fileBlocks: 900 });
  await upstream.arrived(1);
  const before = await measureProcess(cramped);
  await expect.poll(() => cramped.log(), { timeout: 30_000 }).toContain('takes no results of batches; queueing them');
  await expect.poll(() => cramped.log(), { timeout: 30_000 }).toContain('takes no usage rows; queueing them');
  const redis = stack.redis.client();
  await expect.poll(() => redis.zcard('{aimm}:mistral:prioritized'), { timeout: 20_000 }).toBe(0);
  // How long it stays so, not a wait for something.
  await delay(isLong ? 30_000 : 0);
  const { results } = await countOwed(stack);
  expect(results).toBeGreaterThan(0);
  expect(results).toBeLessThanOrEqual(window + concurrency);
  expect(upstream.calls.length).toBeLessThan(items);
  const { heapKb } = await measureProcess(cramped);
  expect(heapKb - before.heapKb).toBeLessThan(growsAtMostKb);
  expect(await cramped.end()).toBe(0);

  await stack.startWorker();
  await expectEachItemOnce(stack, front, { batchId, name: 'full', items, within: isLong ? 150_000 : 40_000 });
});

test.each([
  { name: 'an hour ahead', offsetMs: hourMs },
  { name: 'an hour back', offsetMs: -hourMs },
])(
  'the clock of the worker that feeds a batch jumps $name, another joins it: every item is asked once',
  async ({ offsetMs }) => {
    const items = isLong ? 2_000 : 120;
    const lockMs = 8_000;
    const stack = await createBatchStack(lockMs);
    const { upstream, redis } = stack;
    holdAfter(upstream, held);
    const [front, jumper] = await Promise.all([stack.openFront(), stack.startWorker(jumping)]);
    const { batchId } = await startBatch(front, { items: toItems('jump', items) });
    await upstream.arrived(held + concurrency);
    jumper.child.send({ type: 'clock', offsetMs });
    // What is lost now is missed by whoever feeds, by any clock.
    const client = redis.client();
    const [lost = ''] = await client.zrange('{aimm}:mistral:delayed', '0', '0');
    expect(lost).toMatch(/^gen_/);
    await client.multi().zrem('{aimm}:mistral:delayed', lost).del(`{aimm}:mistral:${lost}`).exec();
    // Longer than the locks of what runs last, if nobody renews them: their calls would be made again.
    await delay(lockMs + 1_500);
    upstream.behave(answerSoon);
    upstream.release();
    await stack.startWorker();
    await expectEachItemOnce(stack, front, { batchId, name: 'jump', items, within: isLong ? 150_000 : 40_000 });
    await expect.poll(() => jumper.log(), { timeout: 15_000 }).toContain('clock differs from that of Redis');
  },
);

test('Redis is out of memory while a batch is fed: nothing is lost or asked twice, the feeder says why it waits, and goes on when there is room', async () => {
  const items = isLong ? 2_000 : 120;
  const stack = await createBatchStack();
  const { upstream } = stack;
  holdAfter(upstream, held);
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { batchId } = await startBatch(front, { items: toItems('memory', items) });
  await upstream.arrived(held + concurrency);
  const redis = stack.redis.client();
  await redis.config('SET', 'maxmemory', '1mb');
  upstream.behave(answerSoon);
  upstream.release();
  await expect
    .poll(() => worker.log(), { timeout: 20_000 })
    .toMatch(/Redis\) is out of memory.*Batches could not be fed; trying again/);
  const [atWait, linesBefore] = [upstream.calls.length, countLines(worker)];
  // It tries again meanwhile: how long, not a wait for something.
  await delay(isLong ? 20_000 : 2_000);
  // What was on its way is asked; nothing is fed.
  expect(upstream.calls.length).toBeLessThanOrEqual(atWait + concurrency);
  expect(countLines(worker) - linesBefore).toBeLessThan(60);

  await redis.config('SET', 'maxmemory', '0');
  const [liftedAt, asked] = [Date.now(), upstream.calls.length];
  await upstream.arrived(asked + 1);
  requireRecovery('Redis out of memory, then room: a batch goes on', Date.now() - liftedAt, 4_000);
  await expectEachItemOnce(stack, front, { batchId, name: 'memory', items, within: isLong ? 150_000 : 90_000 });
});
