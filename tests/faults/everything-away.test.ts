import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { heapProbe, measureProcess } from '../support/measure-process.ts';
import { createRandom } from '../support/seeded-random.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

const isLong = process.env['FAULT_ROUNDS'] !== undefined;
vi.setConfig({ testTimeout: isLong ? 900_000 : 120_000 });

/** The long form keeps the database away for minutes. */
const [load, awayForMs] = isLong ? [12_000, 180_000] : [400, 0];
const wave = 80;
const atOnce = 40;
/**
 * What is left after garbage collection. A worker that kept what it cannot write would grow by a good kilobyte for each call, and
 * by its prompt and answer; code that runs for the first time takes some megabytes.
 */
const growsAtMostKb = 12_000;
/** Resident memory rises until V8's heap has found its size: measured 475 MB, with the database as without. */
const residentAtMostKb = 700_000;

test('with the database gone under load, then Redis too, then the worker killed, every row arrives, each once, and no memory fills up', async () => {
  const direct = await createEmptyDatabase('postgresql');
  const proxied = new URL(direct);
  const proxy = await createTcpProxy(Number(proxied.port));
  proxied.port = String(proxy.port);
  const stack = await createFaultStack({
    databaseUrl: direct,
    env: { DATABASE_URL: proxied.href, MISTRAL_CONCURRENCY: String(atOnce), LOG_LEVEL: 'info' },
  });
  const { upstream, redis } = stack;
  const probe = redis.client();
  const spooled = () => readdir(join(stack.env['AIMM_DATA_DIR'] ?? '', 'spool')).catch(() => []);
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker({ NODE_OPTIONS: heapProbe })]);
  await Promise.all(Array.from({ length: 50 }, (_, index) => stack.answer(front, `before ${index}`)));
  await expectInvariants(stack);

  await proxy.cut();
  const cutAt = Date.now();
  const memory = await measureProcess(worker);
  const random = createRandom();
  // Long and short ones: at any time some run, some are answered, some have rows that are about to be put aside.
  upstream.behave(async (call, tools) => {
    await delay(random.between(0, 150));
    return echo(call, tools);
  });
  // In waves: a machine that is busy otherwise cannot take all of them within the time of an add.
  let asked = 0;
  for (; asked < load || Date.now() - cutAt < awayForMs; asked += wave) {
    const first = asked;
    await Promise.all(Array.from({ length: wave }, (_, index) => stack.answer(front, `meanwhile ${first + index}`)));
  }
  const awayMs = Date.now() - cutAt;
  // Rows wait in Redis in batches, and the jobs they belong to have let go of them.
  await expect.poll(() => probe.zcard('{aimm}:unsettled'), { timeout: 10_000 }).toBe(0);
  const batches = (await probe.keys('{aimm}:persist-usage:usage_*')).length;
  expect(batches).toBeLessThan(asked / 4);
  const { heapKb, residentKb } = await measureProcess(worker);
  const figure = {
    fault: 'database away under load',
    awayMs,
    requests: asked,
    heapKb,
    grownKb: heapKb - memory.heapKb,
  };
  process.stderr.write(`figure: ${JSON.stringify({ ...figure, residentKb })}\n`);
  expect(heapKb - memory.heapKb).toBeLessThan(growsAtMostKb);
  expect(residentKb).toBeLessThan(residentAtMostKb);

  const before = upstream.calls.length;
  const last = await Promise.all(
    Array.from({ length: 120 }, (_, index) => stack.generate(front, `in flight ${index}`)),
  );
  await upstream.arrived(before + 60);
  await redis.kill();
  await expect.poll(spooled, { timeout: 10_000 }).toHaveLength(1);
  await expect.poll(() => worker.log(), { timeout: 10_000 }).toContain('wrote them to the local disk');
  await worker.end('SIGKILL');
  expect(worker.log().split('\n').length).toBeLessThan(120);

  await redis.start();
  await proxy.restore();
  const next = await stack.startWorker();
  await Promise.all(last.map(({ result }) => result));
  await expectInvariants(stack, { unmadeCalls: atOnce });
  await expect.poll(() => next.log(), { timeout: 10_000 }).toContain('Brought usage rows from the local disk');
  await expect.poll(spooled, { timeout: 10_000 }).toEqual([]);
  await expect.poll(() => probe.keys('{aimm}:persist-usage:usage_*'), { timeout: 20_000 }).toEqual([]);
  await proxy.close();
});
