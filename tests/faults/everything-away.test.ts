import { readdir } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import type { OwnProcess } from '../support/processes.ts';
import { createRandom } from '../support/seeded-random.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

vi.setConfig({ testTimeout: 120_000 });

const load = 400;
const wave = 80;
const atOnce = 40;
/** A worker that kept what it cannot write would grow by a good kilobyte for each call, and by its prompt and answer. */
const growsAtMostMb = 80;

function readMemoryMb({ pid }: OwnProcess): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

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
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await Promise.all(Array.from({ length: 50 }, (_, index) => stack.answer(front, `before ${index}`)));
  await expectInvariants(stack);

  await proxy.cut();
  const memoryMb = readMemoryMb(worker);
  const random = createRandom();
  // Long and short ones: at any time some run, some are answered, some have rows that are about to be put aside.
  upstream.behave(async (call, tools) => {
    await delay(random.between(0, 150));
    return echo(call, tools);
  });
  // In waves: a machine that is busy otherwise cannot take all of them within the time of an add.
  for (let asked = 0; asked < load; asked += wave)
    await Promise.all(Array.from({ length: wave }, (_, index) => stack.answer(front, `meanwhile ${asked + index}`)));
  // Rows wait in Redis in batches, and the jobs they belong to have let go of them.
  await expect.poll(() => probe.zcard('{aimm}:unsettled'), { timeout: 10_000 }).toBe(0);
  const batches = (await probe.keys('{aimm}:persist-usage:usage_*')).length;
  expect(batches).toBeLessThan(load / 4);
  expect(readMemoryMb(worker) - memoryMb).toBeLessThan(growsAtMostMb);

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
  await expectInvariants(stack, { hiddenCallsMayBeUnmade: true });
  await expect.poll(() => next.log(), { timeout: 10_000 }).toContain('Brought usage rows from the local disk');
  await expect.poll(spooled, { timeout: 10_000 }).toEqual([]);
  await expect.poll(() => probe.keys('{aimm}:persist-usage:usage_*'), { timeout: 20_000 }).toEqual([]);
  await proxy.close();
});
