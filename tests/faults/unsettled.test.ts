import type { CallRecord, Checkpoint, Outcome } from '@aimm/contracts';
import Sqlite from 'better-sqlite3';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { type AskedGeneration, caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';

const queue = '{aimm}:mistral';
const minuteMs = 60_000;

/** Puts a waiting job where a fault may have left it, with a call that was started and never ended. */
function createPlanter(redis: Redis) {
  const takeOut = async ({ requestId }: AskedGeneration) => {
    expect(await redis.zrem(`${queue}:prioritized`, requestId)).toBe(1);
  };
  const start = async ({ requestId }: AskedGeneration, call: Partial<CallRecord> = {}) => {
    const startedAt = Date.now() - minuteMs;
    const checkpoint: Checkpoint = {
      calls: [{ number: 1, startedAt, state: 'started', ...call }],
      rows: [],
      stalledCount: 0,
    };
    await redis.hset(`${queue}:${requestId}`, 'aimm:checkpoint', JSON.stringify(checkpoint));
    await redis.zadd('{aimm}:unsettled', startedAt, `mistral:${requestId}`);
  };
  return {
    takeOut,
    start,
    async fail(asked: AskedGeneration, failedReason: string) {
      await takeOut(asked);
      const finishedOn = Date.now() - 10_000;
      await redis.hset(`${queue}:${asked.requestId}`, { failedReason, finishedOn });
      await redis.zadd(`${queue}:failed`, finishedOn, asked.requestId);
    },
    async passDeadline({ requestId }: AskedGeneration) {
      const job = `${queue}:${requestId}`;
      const data = JSON.parse((await redis.hget(job, 'data')) ?? '') as object;
      await redis.hset(job, 'data', JSON.stringify({ ...data, deadlineAt: Date.now() - 2 * minuteMs }));
    },
  };
}

test('a worker that starts settles what crashes left: clients are answered, and every call is in the ledger', async () => {
  const stack = await createFaultStack();
  const redis = stack.redis.client();
  const plant = createPlanter(redis);
  const front = await stack.openFront();
  const small = 'mistral/mistral-small-latest';
  const [givenUp, neverOpened, stranded, cutOff] = await Promise.all([
    stack.generate(front, 'given up, and the worker that saw it died'),
    stack.generate(front, 'given up before it came to a call'),
    stack.generate(front, 'in no list any more'),
    stack.generate(front, 'its fallback was never added', {
      model: small,
      fallbacks: ['mistral/mistral-large-latest'],
    }),
  ]);
  await plant.start(givenUp);
  await plant.fail(givenUp, 'job stalled more than allowable limit');
  await plant.fail(neverOpened, 'job stalled more than allowable limit');
  await plant.start(stranded);
  await plant.takeOut(stranded);
  await plant.passDeadline(stranded);
  const outcome: Outcome = {
    status: 'failed',
    error: { code: 'server_error', message: 'it failed', retryable: true },
    continues: true,
  };
  await plant.start(cutOff, { state: 'failed' });
  await redis.hset(`${queue}:${cutOff.requestId}`, 'aimm:outcome', JSON.stringify(outcome));
  await plant.fail(cutOff, 'server_error: it failed');

  const worker = await stack.startWorker();
  for (const { result } of [givenUp, neverOpened, stranded])
    await expect(result).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(await cutOff.result).toMatchObject({ model: 'mistral-large-latest', fallbackFrom: small });
  expect(await front.getJob(caller, stranded.requestId)).toMatchObject({ status: 'failed' });
  expect(await redis.pttl(`${queue}:${stranded.requestId}`)).toBeGreaterThan(0);
  const { ledger } = await stack.database();
  const readStates = () =>
    Promise.all(
      [givenUp, neverOpened, stranded].map(async ({ requestId }) =>
        (await ledger.findByRequest(requestId)).map(({ status }) => status),
      ),
    );
  await expect.poll(readStates, { timeout: 10_000 }).toEqual([['outcome_unknown'], [], ['outcome_unknown']]);
  await expect.poll(() => redis.zcard('{aimm}:unsettled'), { timeout: 10_000 }).toBe(0);
  const said = /"unaccounted":0,"abandoned":2,"stranded":1,"fallbacks":1,"vanished":0/;
  await expect.poll(() => worker.log(), { timeout: 10_000 }).toMatch(said);
});

test('rows that never reached the database although the job ended are brought by the next worker that starts', async () => {
  const stack = await createFaultStack();
  const redis = stack.redis.client();
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'its row is lost');
  await asked.result;
  await expectInvariants(stack);
  expect(await redis.zcard('{aimm}:unsettled')).toBe(0);
  await first.end();

  const database = new Sqlite(stack.databaseUrl.slice('file:'.length));
  database.exec('DELETE FROM usage_stats');
  database.close();
  await redis.zadd('{aimm}:unsettled', Date.now() - minuteMs, `mistral:${asked.requestId}`);
  await stack.startWorker();
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ status: 'succeeded', inputTokens: 10 }]);
});

test('a request that is cancelled after its worker was killed keeps the call that was under way in the ledger', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const { upstream } = stack;
  upstream.behave((_call, { held }) => held);
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'cancelled when nobody has it');
  await upstream.arrived(1);
  await worker.end('SIGKILL');
  const redis = stack.redis.client();
  await expect.poll(() => redis.exists(`${queue}:${asked.requestId}:lock`), { timeout: 10_000 }).toBe(0);
  await front.cancelJob(caller, asked.requestId);
  await stack.startWorker();
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ status: 'outcome_unknown' }]);
});
