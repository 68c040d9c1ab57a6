import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createRandom } from '../support/seeded-random.ts';
import { echo } from '../support/upstream.ts';

/** The long form kills fifty times. */
const kills = process.env['FAULT_ROUNDS'] === undefined ? 6 : 50;
const requests = kills * 12 + 6;
/** At each worker. */
const atOnce = 5;

test('workers killed again and again under load: every request ends once and every call is accounted for', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  const random = createRandom();
  upstream.behave(async (call, tools) => {
    tools.write('');
    await delay(random.between(0, 400));
    return echo(call, tools);
  });
  const limited = { MISTRAL_CONCURRENCY: String(atOnce) };
  const front = await stack.openFront();
  const running = await Promise.all([stack.startWorker(limited), stack.startWorker(limited)]);
  const asked = await Promise.all(
    Array.from({ length: requests }, (_, index) =>
      stack.generate(front, `job ${index}`, {}, { stream: index % 5 === 0 }),
    ),
  );
  for (let round = 0; round < kills; round += 1) {
    await upstream.arrived(Math.min(5 + round * 10, requests));
    // A moment somewhere in a call, a checkpoint, a ledger write or a start.
    await delay(random.between(0, 400));
    const victim = running.shift();
    running.push(stack.launchWorker(limited));
    await victim?.end('SIGKILL');
  }
  const answers = await Promise.allSettled(asked.map(({ result }) => result));
  const rows = await expectInvariants(stack, { unmadeCalls: kills * atOnce });
  // Three deaths are survived; a request that met a fourth was given up as poison, which few can have been.
  const givenUp = asked.filter((_, index) => answers[index]?.status === 'rejected');
  const deaths = givenUp.map(({ requestId }) =>
    rows.get(requestId)?.filter(({ status }) => status === 'outcome_unknown'),
  );
  expect(deaths.filter((unknown = []) => unknown.length < 4)).toEqual([]);
  expect(givenUp.length).toBeLessThan(requests / 20);
  const answered = asked.filter((request) => !givenUp.includes(request));
  const last = new Set(answered.map(({ requestId }) => rows.get(requestId)?.at(-1)?.status));
  expect([...last]).toEqual(['succeeded']);
}, 400_000);

test('a request that takes every worker down is given up, says so, and each of its calls is in the ledger', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const { upstream } = stack;
  upstream.behave((call, tools) => (call.prompt.includes('poison') ? tools.held : echo(call, tools)));
  const front = await stack.openFront();
  const asked = await stack.generate(front, 'poison');
  let starts = 0;
  let ended = false;
  asked.result.catch(() => (ended = true));
  while (!ended && starts < 10) {
    const worker = await stack.startWorker();
    await Promise.race([upstream.arrived(starts + 1), asked.result.catch(() => undefined)]);
    if (upstream.calls.length > starts) {
      starts += 1;
      await worker.end('SIGKILL');
    }
  }
  await expect(asked.result).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(starts).toBeLessThanOrEqual(4);
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)?.map(({ status }) => status)).toEqual(
    Array.from({ length: starts }, () => 'outcome_unknown'),
  );

  const job = await stack.redis.client().hgetall(`{aimm}:mistral:${asked.requestId}`);
  expect(job['failedReason']).toMatch(/stalled/);
  expect(JSON.stringify(job)).not.toContain(stack.env['MISTRAL_API_KEY']);
  // Whoever comes next is served.
  await stack.answer(front, 'next');
  await expectInvariants(stack);
}, 90_000);

test('an answer whose workers die again and again over their writing stands as completed in the end', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const lock = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  const front = await stack.openFront();
  const redis = stack.redis.client();
  let worker = await stack.startWorker();
  await stack.answer(front, 'so that its worker has the database open');
  lock.exec('BEGIN EXCLUSIVE');
  const asked = await stack.generate(front, 'answered once');
  await asked.result;
  const job = `{aimm}:mistral:${asked.requestId}`;
  for (let starts = 1; starts <= 4; starts += 1) {
    await expect.poll(() => redis.hget(job, 'ats'), { timeout: 20_000, interval: 5 }).toBe(String(starts));
    await worker.end('SIGKILL');
    expect(await redis.hget(job, 'finishedOn')).toBeNull();
    worker = await stack.startWorker();
  }
  // Given up by now, or soon; either way it had been answered.
  lock.exec('ROLLBACK');
  const isCompleted = () => redis.zscore('{aimm}:mistral:completed', asked.requestId);
  await expect.poll(isCompleted, { timeout: 20_000 }).not.toBeNull();
  expect(await redis.zscore('{aimm}:mistral:failed', asked.requestId)).toBeNull();
  expect(await redis.hget(job, 'stc')).toBe('4');
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)?.map(({ status }) => status)).toEqual(['succeeded']);
}, 90_000);
