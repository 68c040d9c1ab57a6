import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { startBatch, toItems } from '../support/batches.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

/** As many are in Redis at once as of ten thousand, and they last longer than what is measured beside them. */
const batchSize = 2_000;
const measured = 250;
/** How long the played vendor takes for an item of the batch, and for an interactive request. */
const itemMs = 500;
const answerMs = 10;

test('beside a batch of thousands an interactive request waits no longer than twice as long as without it', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '10' } });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { upstream } = stack;
  const isItem = ({ prompt }: { prompt: string }) => prompt.startsWith('<<item ');
  upstream.behave(async (call, tools) => {
    await delay(isItem(call) ? itemMs : answerMs);
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

  const { batchId } = await startBatch(front, { items: toItems('item', batchSize) });
  await expect.poll(() => upstream.calls.filter(isItem).length).toBeGreaterThan(20);
  const measureBeside = async () => {
    const begunAt = upstream.calls.length;
    const waits = await measure();
    return { ...waits, items: upstream.calls.slice(begunAt).filter(isItem).length };
  };
  let beside = await measureBeside();
  // What the batch does to them stays; a moment at which the machine was busy elsewhere goes by.
  if (beside.p99 > 2 * without.p99) beside = await measureBeside();
  process.stderr.write(`waits in ms: without ${JSON.stringify(without)}, beside ${JSON.stringify(beside)}\n`);
  // The batch went on meanwhile, and was not at its end.
  expect(beside.items).toBeGreaterThan(20);
  expect((await front.getBatch(caller, batchId)).counts.waiting).toBeGreaterThan(0);
  expect(beside.p99).toBeLessThanOrEqual(2 * without.p99);
}, 120_000);
