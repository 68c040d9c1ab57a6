import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { GeneratePayload } from '@aimm/contracts';
import { openFrontQueue } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { toMessages } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

const batchSize = 10_000;
const measured = 250;
/** How long the played vendor takes for an item of the batch, and for an interactive request. */
const itemMs = 500;
const answerMs = 10;

const toItem = (): GeneratePayload => ({
  requestId: `gen_${randomUUID()}`,
  client: 'batch',
  tags: [],
  lane: 'batch',
  enqueuedAt: Date.now(),
  deadlineAt: Date.now() + 3_600_000,
  provider: 'mistral',
  request: { model: 'mistral-small-latest', messages: toMessages('item'), settings: {} },
  attempts: 1,
  timeoutMs: 60_000,
  stream: false,
  quiet: true,
  onUnknownOutcome: 'retry',
  warnings: [],
});

test('beside a batch of ten thousand an interactive request waits no longer than twice as long as without it', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '10' } });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const queue = openFrontQueue({
    redisUrl: stack.redis.url,
    frontId: randomUUID(),
    providers: () => ['mistral'],
    logger,
  });
  onTestFinished(() => queue.close());
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await delay(call.prompt === 'item' ? itemMs : answerMs);
    return echo(call, tools);
  });
  /** The vendor's log says when a request reached it; the time until then is its wait. */
  const ask = async () => {
    const askedAt = Date.now();
    const asked = await stack.generate(front, 'interactive');
    await asked.result;
    const call = upstream.calls.findLast(({ prompt }) => prompt === asked.prompt);
    return (call?.arrivedAt ?? Infinity) - askedAt;
  };
  const measure = async () => {
    const waits: number[] = [];
    while (waits.length < measured) waits.push(...(await Promise.all([ask(), ask()])));
    const sorted = waits.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  for (let warm = 0; warm < 30; warm += 1) await ask();
  const without = await measure();

  for (let added = 0; added < batchSize; added += 250)
    await Promise.all(Array.from({ length: 250 }, () => queue.producer.addGeneration(toItem())));
  await expect.poll(() => upstream.calls.filter(({ prompt }) => prompt === 'item').length).toBeGreaterThan(20);
  const measureBeside = async () => {
    const begunAt = upstream.calls.length;
    const waits = await measure();
    return { ...waits, items: upstream.calls.slice(begunAt).filter(({ prompt }) => prompt === 'item').length };
  };
  let beside = await measureBeside();
  // What the batch does to them stays; a moment at which the machine was busy elsewhere goes by.
  for (let again = 0; again < 2 && beside.p99 > 2 * without.p99; again += 1) beside = await measureBeside();
  process.stderr.write(`waits in ms: without ${JSON.stringify(without)}, beside ${JSON.stringify(beside)}\n`);
  // The batch went on meanwhile.
  expect(beside.items).toBeGreaterThan(20);
  expect(beside.p99).toBeLessThanOrEqual(2 * without.p99);
}, 120_000);
