import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { countOwed, expectEachItemOnce } from '../support/batch-invariants.ts';
import { startBatch, toItems } from '../support/batches.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { heapProbe, measureProcess } from '../support/measure-process.ts';
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

const isLong = process.env['FAULT_ROUNDS'] !== undefined;
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

/** One of its own, which says goodbye to its clients, refuses them while it is away and while it comes back. */
let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(join(inject('dir'), randomUUID()), { keepsFiles: true });
});
afterAll(() => server.stop());

const createStack = async (env: Record<string, string> = {}): Promise<FaultStack> =>
  createFaultStack({ databaseUrl: await createEmptyDatabase('postgresql', { serverUrl: server.url }), env });

/** What is left after garbage collection; code that runs for the first time takes some megabytes. */
const growsAtMostKb = 12_000;

test('PostgreSQL is stopped under a batch and started again: every item is asked and accounted for once', async () => {
  const items = isLong ? 3_000 : 150;
  const concurrency = 10;
  // So much of a batch stands in a provider's queue at most (`toWindow` of the feeder).
  const window = 4 * concurrency;
  // Nobody dies here: no lock may be lost by a machine that is busy, which would be a repeated call.
  const stack = await createStack({ MISTRAL_CONCURRENCY: String(concurrency), AIMM_LOCK_SECONDS: '60' });
  const { upstream } = stack;
  const atStop = 50;
  upstream.behave(async (call, tools) => {
    if (call.number > atStop - concurrency) await tools.held;
    return echo(call, tools);
  });
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker({ NODE_OPTIONS: heapProbe })]);
  const { batchId } = await startBatch(front, { items: toItems('stopped', items), models: ['mistral/m'] });
  await upstream.arrived(atStop);
  const before = await measureProcess(worker);
  await server.stop();
  upstream.behave(echo);
  upstream.release();

  // What is in the queue is asked, and what comes of it waits in Redis; nothing more is fed.
  const redis = stack.redis.client();
  await expect.poll(() => worker.log(), { timeout: 20_000 }).toContain('takes no results of batches; queueing them');
  await expect.poll(() => redis.zcard('{aimm}:mistral:prioritized'), { timeout: 20_000 }).toBe(0);
  await expect.poll(() => worker.log(), { timeout: 20_000 }).toContain('Batches could not be fed; trying again');
  // How long it is away, not a wait for something.
  await delay(isLong ? 60_000 : 0);
  expect(upstream.calls.length).toBeLessThanOrEqual(atStop + window);
  const { results } = await countOwed(stack);
  expect(results).toBeGreaterThan(0);
  expect(results).toBeLessThanOrEqual(window + concurrency);
  const { heapKb } = await measureProcess(worker);
  expect(heapKb - before.heapKb).toBeLessThan(growsAtMostKb);

  await server.start();
  await expectEachItemOnce(stack, front, { batchId, name: 'stopped', items, within: isLong ? 150_000 : 60_000 });
});

test('a turn that waits in its queue while PostgreSQL is stopped is in the conversation once, when it runs again', async () => {
  const stack = await createStack();
  const { upstream } = stack;
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const first = await stack.generate(front, 'first', { saveConversation: true });
  const { conversationId = '' } = await first.result;
  upstream.behave(async (call, tools) => {
    await tools.held;
    return echo(call, tools);
  });
  const asked = await stack.generate(front, 'PostgreSQL is stopped', { conversationId });
  await upstream.arrived(2);
  await server.stop();
  upstream.release();
  expect((await asked.result).warnings.at(-1)?.message).toContain('once the database takes it');
  const waiting = async () => (await stack.redis.client().keys('{aimm}:persist-turn:turn_*')).length;
  await expect.poll(() => worker.log(), { timeout: 15_000 }).toContain('takes no turn of a conversation');
  await expect.poll(waiting, { timeout: 10_000 }).toBeGreaterThan(0);
  await expect(stack.generate(front, 'meanwhile', { conversationId })).rejects.toMatchObject({ code: 'unavailable' });

  await server.start();
  const { conversations } = await stack.database();
  const texts = async () =>
    (await conversations.messages(conversationId)).flatMap(({ message }) =>
      message.content.map((part) => (part.type === 'text' ? part.text : '')),
    );
  const turns = [first, asked].flatMap(({ prompt }) => [prompt, `echo: ${prompt}`]);
  await expect.poll(texts, { timeout: 40_000 }).toEqual(turns);
  await expect.poll(waiting, { timeout: 40_000 }).toBe(0);
  upstream.behave(echo);
  const next = await stack.generate(front, 'next', { conversationId });
  await next.result;
  expect(await texts()).toEqual([...turns, next.prompt, `echo: ${next.prompt}`]);
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(3);
});
