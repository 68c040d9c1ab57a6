import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Checkpoint,
  type GeneratePayload,
  GenerationResult,
  type LedgerRow,
  ModelManagerError,
  type Outcome,
  type Reply,
} from '@aimm/contracts';
import { createBatchJobs, createContentRemover, createUnsettledJobs, LockLostError } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { toMedian } from '../support/median.ts';
import { createQueueFixture, type QueueFixture, toResult } from '../support/queue-fixture.ts';
import { createRedisServer } from '../support/redis-server.ts';

let fixture: QueueFixture;
beforeEach(async () => {
  fixture = await createQueueFixture();
});
afterEach(() => fixture.close());

const withClockAhead = async (aheadMs: number, work: () => Promise<unknown>) => {
  const now = Date.now.bind(Date);
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
  await work().finally(() => clock.mockRestore());
};
const toResultOutcome = (payload: GeneratePayload): Outcome => ({ status: 'succeeded', value: toResult(payload, '') });

const emptyCheckpoint = { calls: [], rows: [], stalledCount: 0 };
const startedCheckpoint: Checkpoint = { ...emptyCheckpoint, calls: [{ number: 1, startedAt: 1, state: 'started' }] };

describe('a request and its answer', () => {
  test('an added generation is answered through the reply stream', async () => {
    await fixture.consume(async (payload) => ({ value: toResult(payload, 'hi') }));
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    waiter.added();
    const outcome = await waiter.outcome;
    expect(outcome.status === 'succeeded' && GenerationResult.parse(outcome.value).text).toBe('hi');
  });

  test('adding the same request again makes no second job', async () => {
    let runs = 0;
    await fixture.consume(async (payload) => {
      runs += 1;
      return { value: toResult(payload, 'once') };
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await Promise.all(Array.from({ length: 20 }, () => fixture.front.producer.addGeneration(payload)));
    waiter.added();
    await waiter.outcome;
    const other = fixture.payload();
    const after = fixture.front.waiters.wait(other.requestId, { deadlineAt: other.deadlineAt });
    await fixture.front.producer.addGeneration(other);
    await after.outcome;
    expect(runs).toBe(2);
  });

  test('a request can be looked up for as long as its job may still end, and a day after', async () => {
    const deadlineAt = Date.now() + 30 * 3_600_000;
    const payload = fixture.payload({ deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    const leftMs = await fixture.redis.client().pttl(`{aimm}:request:${payload.requestId}`);
    expect(leftMs).toBeGreaterThan(53 * 3_600_000);
    expect(leftMs).toBeLessThanOrEqual(54 * 3_600_000);
  });

  test('a request’s record names the job that it goes on as once that job is there, and not before', async () => {
    const redis = fixture.redis.client();
    const { producer, requests } = fixture.front;
    const payload = fixture.payload();
    await producer.addGeneration(payload);
    const next = { ...payload, hop: 1 };
    // Redis takes the record and not the job, as one that is nearly full may.
    await redis.rename('{aimm}:openai:meta', 'meta');
    await redis.set('{aimm}:openai:meta', 'no hash');
    await expect(producer.addGeneration(next, { goesOn: true })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await redis.exists(`{aimm}:openai:${payload.requestId}-hop1`)).toBe(0);
    expect(await requests.find(payload.requestId)).toMatchObject({ jobId: payload.requestId });
    await redis.rename('meta', '{aimm}:openai:meta');
    await producer.addGeneration(next, { goesOn: true });
    expect(await requests.find(payload.requestId)).toMatchObject({ jobId: `${payload.requestId}-hop1` });
  });

  test('a hundred requests at once each get their own answer', async () => {
    await fixture.consume(async (payload) => ({ value: toResult(payload, payload.requestId) }), { concurrency: 20 });
    const payloads = Array.from({ length: 100 }, () => fixture.payload());
    const answers = await Promise.all(
      payloads.map(async (payload) => {
        const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
        await fixture.front.producer.addGeneration(payload);
        const outcome = await waiter.outcome;
        return outcome.status === 'succeeded' ? GenerationResult.parse(outcome.value).text : outcome.error.code;
      }),
    );
    expect(answers).toEqual(payloads.map(({ requestId }) => requestId));
  });

  test('the first of many that wait is begun before the others are fetched, and as many run at once as may', async () => {
    const atOnce = 60;
    const payloads = Array.from({ length: 2 * atOnce }, () => fixture.payload());
    await Promise.all(payloads.map((payload) => fixture.front.producer.addGeneration(payload)));
    const client = fixture.redis.client();
    let running = 0;
    let most = 0;
    let taken: Promise<number> | undefined;
    let letGo: () => void = () => undefined;
    const full = new Promise<void>((resolve) => (letGo = resolve));
    const done = payloads.map(
      ({ requestId, deadlineAt }) => fixture.front.waiters.wait(requestId, { deadlineAt }).outcome,
    );
    await fixture.consume(
      async (payload) => {
        taken ??= client.llen('{aimm}:openai:active');
        running += 1;
        most = Math.max(most, running);
        if (running === atOnce) letGo();
        await full;
        running -= 1;
        return { value: toResult(payload, '') };
      },
      { concurrency: atOnce, globalConcurrency: 2 * atOnce },
    );
    await Promise.all(done);
    expect(await taken).toBeLessThan(atOnce / 2);
    expect(most).toBe(atOnce);
  });

  test('what waits for the database is taken also where somebody has paused its queue, which no button resumes', async () => {
    await fixture.redis.client().hset('{aimm}:persist-usage:meta', 'paused', 1);
    await fixture.front.producer.addUsage([createLedgerRow({ requestId: 'gen_paused' })]);
    const taken = Promise.withResolvers<LedgerRow[]>();
    const consumer = await fixture.consume(async (payload) => ({ value: toResult(payload, '') }), {
      others: {
        'persist-usage': async ({ rows }) => {
          taken.resolve(rows);
          return { value: { written: rows.length } };
        },
      },
    });
    await consumer.consume({ name: 'persist-usage', concurrency: 1, globalConcurrency: 4 });
    expect(await taken.promise).toMatchObject([{ requestId: 'gen_paused' }]);
  });

  test('jobs that end while the reconciler reads are none of those it has to settle', async () => {
    const unsettled = createUnsettledJobs(fixture.redis.client());
    const consumer = await fixture.consume(
      async (payload, context) => {
        await context.open({ calls: [], rows: [], stalledCount: 0 });
        return { value: toResult(payload, '') };
      },
      { concurrency: 30 },
    );
    const payloads = Array.from({ length: 600 }, () => fixture.payload());
    let left = payloads.length;
    const done = payloads.map(async (payload) => {
      const { outcome } = fixture.front.waiters.wait(payload.requestId, payload);
      await fixture.front.producer.addGeneration(payload);
      await outcome;
      left -= 1;
    });
    const places = new Set<string>();
    while (left > 0) for (const { place } of await unsettled.read(0, 100)) places.add(place);
    await Promise.all(done);
    await consumer.close(1_000);
    expect(places).toContain('running');
    expect([...places].filter((place) => place === 'ended' || place === 'gone')).toEqual([]);
  });

  test('a job of a newer release keeps the reconciler from reading none of the others', async () => {
    const redis = fixture.redis.client();
    for (const [jobId, outcome] of [
      ['newer', '{"status":"postponed"}'],
      ['known', '{"status":"succeeded","value":null}'],
    ] as const) {
      await redis.hset(`{aimm}:openai:${jobId}`, { data: '{}', finishedOn: 1, 'aimm:outcome': outcome });
      await redis.zadd('{aimm}:unsettled', 1, `openai:${jobId}`);
    }
    const found = await createUnsettledJobs(redis).read(0, 10);
    expect(found.map(({ jobId, place }) => [jobId, place])).toEqual([
      ['known', 'ended'],
      ['newer', 'unreadable'],
    ]);
  });

  test('an answer too large to send is read by its id', async () => {
    const text = 'x'.repeat(300_000);
    await fixture.consume(async (payload) => ({ value: toResult(payload, text) }));
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    waiter.added();
    const outcome = await waiter.outcome;
    expect(outcome.status === 'succeeded' && GenerationResult.parse(outcome.value).text.length).toBe(300_000);
  });

  test('a reply that was lost is found by looking after the silent request', async () => {
    await fixture.consume(async (payload) => ({ value: toResult(payload, 'found') }));
    // Sent to a stream that nobody reads.
    const payload = fixture.payload({ replyTo: '{aimm}:replies:nobody' });
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    waiter.added();
    expect((await waiter.outcome).status).toBe('succeeded');
  });

  test('parts arrive in order, and text of an abandoned attempt is dropped', async () => {
    await fixture.consume(async (payload, context) => {
      context.reply(1, { type: 'text', text: 'a' });
      context.reply(2, { type: 'started' });
      context.reply(1, { type: 'text', text: 'late' });
      context.reply(2, { type: 'text', text: 'b' });
      return { value: toResult(payload, 'b') };
    });
    const payload = fixture.payload();
    const parts: Reply[] = [];
    const waiter = fixture.front.waiters.wait(payload.requestId, {
      deadlineAt: payload.deadlineAt,
      onPart: (part) => parts.push(part),
    });
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    expect(parts.map((part) => (part.type === 'text' ? part.text : part.type))).toEqual(['a', 'started', 'b']);
  });
});

describe('after a failure', () => {
  test('a retryable error is tried again until the attempts are used up', async () => {
    let runs = 0;
    await fixture.consume(async () => {
      runs += 1;
      throw new ModelManagerError('server_error', 'broken', { retryAfterMs: 10 });
    });
    const payload = fixture.payload({ attempts: 2 });
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    const outcome = await waiter.outcome;
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
    expect(runs).toBe(2);
  });

  test('an error that no retry can mend ends the request at the first attempt', async () => {
    let runs = 0;
    await fixture.consume(async () => {
      runs += 1;
      throw new ModelManagerError('authentication', 'bad key');
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    expect(await waiter.outcome).toMatchObject({ status: 'failed', error: { code: 'authentication' } });
    expect(runs).toBe(1);
  });

  test('a rate limit holds the whole queue and costs no attempt', async () => {
    const starts: number[] = [];
    await fixture.consume(async (payload) => {
      starts.push(Date.now());
      if (starts.length <= 3) throw new ModelManagerError('rate_limited', 'slow down', { retryAfterMs: 300 });
      return { value: toResult(payload, 'at last') };
    });
    const payload = fixture.payload({ attempts: 1 });
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    expect((await waiter.outcome).status).toBe('succeeded');
    expect(starts).toHaveLength(4);
    const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(290);
  });

  test('a rate limit that outlasts the deadline ends the request now, not then', async () => {
    await fixture.consume(async () => {
      throw new ModelManagerError('rate_limited', 'come back tomorrow', { retryAfterMs: 86_400_000 });
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    expect(await waiter.outcome).toMatchObject({
      status: 'failed',
      error: { code: 'rate_limited', hint: expect.stringMatching(/wait 8640\d s/) },
    });
  });

  test('text of a call that a further one took the place of is not the text of the request', async () => {
    await fixture.consume(async (_payload, context) => {
      await context.open(emptyCheckpoint);
      context.keepPartialText('void');
      await context.start({ ...emptyCheckpoint, stalledCount: 1 });
      throw new ModelManagerError('authentication', 'The key is not accepted.', { retryable: false });
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, payload);
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    const job = await fixture.front.requests.readJob('openai', payload.requestId);
    expect([job.status, job.partialText]).toEqual(['failed', undefined]);
  });

  test('a call that runs past the deadline of its request is aborted then', async () => {
    const abortedAt = Promise.withResolvers<number>();
    await fixture.consume(async (_payload, { signal }) => {
      signal.addEventListener('abort', () => abortedAt.resolve(Date.now()), { once: true });
      await abortedAt.promise;
      throw signal.reason;
    });
    const payload = fixture.payload({ deadlineAt: Date.now() + 500 });
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    expect(await abortedAt.promise).toBeGreaterThanOrEqual(payload.deadlineAt - 1);
    expect(await waiter.outcome).toMatchObject({
      status: 'failed',
      error: { code: 'timeout', hint: expect.stringContaining('timeout_seconds') },
    });
  });

  test('Bull Board shows why a job failed, in our wording', async () => {
    await fixture.consume(async () => {
      throw new Error('boom with sk-secret inside');
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    const redis = fixture.redis.client();
    await expect.poll(() => redis.hget(`{aimm}:openai:${payload.requestId}`, 'failedReason')).toContain('internal:');
    expect(JSON.stringify(await redis.hgetall(`{aimm}:openai:${payload.requestId}`))).not.toContain('sk-secret');
  });
});

describe('cancelling', () => {
  test('a job that waits is removed, and no worker ever runs it', async () => {
    const payload = fixture.payload();
    await fixture.front.producer.addGeneration(payload);
    expect(await fixture.front.producer.cancel('openai', payload.requestId)).toBe('removed');
    expect((await fixture.front.requests.readJob('openai', payload.requestId)).status).toBe('missing');
  });

  test('a job that runs is aborted within 100 ms', async () => {
    let started = Promise.withResolvers<void>();
    let aborted = Promise.withResolvers<number>();
    await fixture.consume(async (_payload, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve(performance.now()), { once: true });
      started.resolve();
      await aborted.promise;
      throw signal.reason;
    });
    const tookMs: number[] = [];
    for (let number = 1; number <= 5; number += 1) {
      [started, aborted] = [Promise.withResolvers(), Promise.withResolvers()];
      const payload = fixture.payload();
      const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
      await fixture.front.producer.addGeneration(payload);
      await started.promise;
      const cancelledAt = performance.now();
      expect(await fixture.front.producer.cancel('openai', payload.requestId)).toBe('signalled');
      tookMs.push((await aborted.promise) - cancelledAt);
      expect(await waiter.outcome).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
      expect((await fixture.front.requests.readJob('openai', payload.requestId)).status).toBe('cancelled');
    }
    // A busy machine may be late now and then.
    expect(toMedian(tookMs)).toBeLessThan(100);
  });

  test('a job that runs is aborted within seconds though the word of its cancel is lost', async () => {
    const started = Promise.withResolvers<void>();
    await fixture.consume(async (_payload, { signal }) => {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw signal.reason;
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await started.promise;
    // Whoever listens for cancels is away for 200 ms.
    expect(await fixture.redis.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBeGreaterThan(0);
    expect(await fixture.front.producer.cancel('openai', payload.requestId)).toBe('signalled');
    expect(await waiter.outcome).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
  });

  test('no further call of a job starts once it was cancelled', async () => {
    const redis = fixture.redis.client();
    const states: string[] = [];
    await fixture.consume(async (payload, context) => {
      await context.open(emptyCheckpoint);
      await redis.hset(`{aimm}:openai:${payload.requestId}`, 'aimm:cancel', Date.now());
      states.push((await context.start(startedCheckpoint)).state);
      return { value: toResult(payload, '') };
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    expect(states).toEqual(['cancelled']);
    const checkpoint = await redis.hget(`{aimm}:openai:${payload.requestId}`, 'aimm:checkpoint');
    expect(JSON.parse(checkpoint ?? '')).toEqual(emptyCheckpoint);
  });

  test('a request that ended stays as it ended', async () => {
    await fixture.consume(async (payload) => ({ value: toResult(payload, 'done') }));
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    expect(await fixture.front.producer.cancel('openai', payload.requestId)).toBe('ended');
    expect((await fixture.front.requests.readJob('openai', payload.requestId)).status).toBe('succeeded');
  });
});

describe('ownership', () => {
  test('a cancel that came between the call and its end does not change how it ended, for whoever opens the job next', async () => {
    const redis = fixture.redis.client();
    const states: string[] = [];
    const goesOn: Outcome = { status: 'failed', error: { code: 'server_error', message: '', retryable: true } };
    await fixture.consume(async (payload, context) => {
      await context.open(startedCheckpoint);
      await redis.hset(`{aimm}:openai:${payload.requestId}`, 'aimm:cancel', Date.now());
      for (const outcome of [toResultOutcome(payload), goesOn, { ...goesOn, continues: true }]) {
        await context.settle(outcome);
        states.push((await context.open(emptyCheckpoint)).state);
      }
      return { value: toResult(payload, '') };
    });
    const payload = fixture.payload();
    await fixture.front.producer.addGeneration(payload);
    await expect.poll(() => states).toEqual(['settled', 'settled', 'cancelled']);
  });

  test('a worker that lost its job can write nothing of it any more', async () => {
    const redis = fixture.redis.client();
    const refused = Promise.withResolvers<unknown>();
    await fixture.consume(async (payload, context) => {
      await context.open(emptyCheckpoint);
      // Another worker owns the job now.
      await redis.set(`{aimm}:openai:${payload.requestId}:lock`, 'somebody else');
      await context.save(emptyCheckpoint).catch(refused.resolve);
      throw new LockLostError();
    });
    const payload = fixture.payload();
    await fixture.front.producer.addGeneration(payload);
    expect(await refused.promise).toBeInstanceOf(LockLostError);
    expect((await fixture.front.requests.readJob('openai', payload.requestId)).outcome).toBeUndefined();
  });

  test('a worker whose lock ran out still writes what is paid for, unless another began the job since', async () => {
    const redis = fixture.redis.client();
    const refused = Promise.withResolvers<unknown>();
    const begunSince = fixture.payload();
    await fixture.consume(async (payload, context) => {
      const job = `{aimm}:openai:${payload.requestId}`;
      await context.open(emptyCheckpoint);
      await redis.unlink(`${job}:lock`);
      if (payload.requestId !== begunSince.requestId) return { value: toResult(payload, 'paid for') };
      await redis.hincrby(job, 'ats', 1);
      await context.save(emptyCheckpoint).catch(refused.resolve);
      throw new LockLostError();
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, payload);
    for (const added of [payload, begunSince]) await fixture.front.producer.addGeneration(added);
    expect(await waiter.outcome).toMatchObject({ status: 'succeeded', value: { text: 'paid for' } });
    await expect.poll(() => redis.zscore('{aimm}:openai:completed', payload.requestId)).not.toBeNull();
    expect(await refused.promise).toBeInstanceOf(LockLostError);
  });

  test('a job whose worker leaves is handed back and run by another', async () => {
    const started = Promise.withResolvers<void>();
    const first = await fixture.consume(async (_payload, { signal }) => {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw signal.reason;
    });
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await started.promise;
    await Promise.all([first.close(10), fixture.consume(async (taken) => ({ value: toResult(taken, 'second') }))]);
    const outcome = await waiter.outcome;
    expect(outcome.status === 'succeeded' && GenerationResult.parse(outcome.value).text).toBe('second');
  });
});

test('a job that a worker hands back whose clock is an hour ahead is run by another at once', async () => {
  const started = Promise.withResolvers<void>();
  const first = await fixture.consume(async (_payload, { signal }) => {
    started.resolve();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    throw signal.reason;
  });
  const payload = fixture.payload();
  await fixture.front.producer.addGeneration(payload);
  await started.promise;
  await withClockAhead(3_600_000, () => first.close(10));
  await fixture.consume(async (taken) => ({ value: toResult(taken, 'second') }));
  const readStatus = async () => (await fixture.front.requests.readJob('openai', payload.requestId)).status;
  await expect.poll(readStatus).toBe('succeeded');
});

describe('where a request stands', () => {
  test('waiting requests know their place, the first to run being 1', async () => {
    const payloads = [fixture.payload(), fixture.payload(), fixture.payload()];
    for (const payload of payloads) await fixture.front.producer.addGeneration(payload);
    const behind = fixture.payload({ lane: 'batch' });
    await fixture.front.producer.addGeneration(behind);
    const states = await Promise.all(
      [...payloads, behind].map(({ requestId }) => fixture.front.requests.readJob('openai', requestId)),
    );
    expect(states.map(({ position }) => position)).toEqual([1, 2, 3, 4]);
  });

  test('how fast workers were that have gone is forgotten once others measure', async () => {
    const redis = fixture.redis.client();
    const told = (agoMs: number) => `10.00 1000 ${Date.now() - agoMs}`;
    await redis.hset('{aimm}:pace:openai', { gone: told(600_001), lately: told(60_000) });
    for (let index = 0; index < 3; index += 1) await fixture.front.producer.addGeneration(fixture.payload());
    await fixture.consume(async (payload) => ({ value: toResult(payload, '') }), { concurrency: 1 });
    await expect.poll(() => redis.hkeys('{aimm}:pace:openai')).toEqual(['lately', expect.any(String)]);
  });

  test('interactive requests run before batches that came earlier', async () => {
    const order: string[] = [];
    const batch = fixture.payload({ lane: 'batch' });
    const interactive = fixture.payload();
    await fixture.front.producer.addGeneration(batch);
    await fixture.front.producer.addGeneration(interactive);
    const done = [batch, interactive].map(
      ({ requestId, deadlineAt }) => fixture.front.waiters.wait(requestId, { deadlineAt }).outcome,
    );
    await fixture.consume(
      async (payload) => {
        order.push(payload.lane);
        await delay(5);
        return { value: toResult(payload, '') };
      },
      { concurrency: 1 },
    );
    await Promise.all(done);
    expect(order).toEqual(['interactive', 'batch']);
  });
});

describe('what was settled for a batch', () => {
  test('is told with the rows of its calls, before anybody else has them', async () => {
    const payload = fixture.payload({ lane: 'batch' });
    const { requestId, deadlineAt } = payload;
    const rows = [
      {
        requestId,
        callNumber: 1,
        provider: 'openai',
        model: 'm',
        status: 'failed' as const,
        client: 'tests',
        tags: [],
        lane: 'batch' as const,
        estimated: false,
        costNanoUsd: 10_000_000,
        cached: false,
        demo: false,
        startedAt: 1,
      },
    ];
    const error = new ModelManagerError('server_error', 'It failed.').toShape();
    const looked = Promise.withResolvers<void>();
    await fixture.consume(async (_payload, context) => {
      await context.open(emptyCheckpoint);
      await context.settle({ status: 'failed', error }, { ...emptyCheckpoint, rows });
      await looked.promise;
      throw new Error('it was killed before it could say more');
    });
    const { outcome } = fixture.front.waiters.wait(requestId, { deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await outcome;
    const states = await createBatchJobs(fixture.redis.client()).look([{ provider: 'openai', requestId }]);
    looked.resolve();
    expect(states).toEqual([{ state: 'ended', outcome: { status: 'failed', error }, rows }]);
  });
});

describe('without Redis', () => {
  test('an add fails within two seconds and says what to do', async () => {
    await fixture.redis.kill();
    const startedAt = performance.now();
    const error = await fixture.front.producer.addGeneration(fixture.payload()).catch((thrown: unknown) => thrown);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: 'unavailable', hint: expect.stringContaining('REDIS_URL') });
  });

  test('a Redis that hangs counts as down', async () => {
    await fixture.front.ping();
    fixture.redis.pause();
    const startedAt = performance.now();
    const error = await fixture.front.producer.addGeneration(fixture.payload()).catch((thrown: unknown) => thrown);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: 'unavailable' });
    fixture.redis.resume();
  });

  test('a consumer takes jobs again within two seconds of its return', async () => {
    await fixture.consume(async (payload) => ({ value: toResult(payload, 'again') }));
    await fixture.redis.kill();
    await fixture.redis.start();
    const startedAt = performance.now();
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    await waiter.outcome;
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('a Redis that came back empty ends the wait with a clear error', async () => {
    const payload = fixture.payload();
    const waiter = fixture.front.waiters.wait(payload.requestId, { deadlineAt: payload.deadlineAt });
    await fixture.front.producer.addGeneration(payload);
    waiter.added();
    await fixture.redis.client().flushall();
    expect(await waiter.outcome).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
  });
});

describe('a Redis that answers and takes no writes', () => {
  const refuse = () => fixture.redis.client().config('SET', 'min-replicas-to-write', '1');
  const accept = () => fixture.redis.client().config('SET', 'min-replicas-to-write', '0');

  test('an answer that was paid for is written once it does, and not asked for again, though its lock ran out meanwhile', async () => {
    const redis = fixture.redis.client();
    const payload = fixture.payload();
    let calls = 0;
    const answered = Promise.withResolvers<void>();
    await fixture.consume(
      async (taken, context) => {
        await context.open(emptyCheckpoint);
        calls += 1;
        await refuse();
        answered.resolve();
        return { value: toResult(taken, `call ${calls}`) };
      },
      { lockMs: 1_000 },
    );
    const waiter = fixture.front.waiters.wait(payload.requestId, payload);
    await fixture.front.producer.addGeneration(payload);
    await answered.promise;
    await expect.poll(() => redis.exists(`{aimm}:openai:${payload.requestId}:lock`)).toBe(0);
    await accept();
    const outcome = await waiter.outcome;
    expect(outcome.status === 'succeeded' && GenerationResult.parse(outcome.value).text).toBe('call 1');
    await expect
      .poll(async () => (await fixture.front.requests.readJob('openai', payload.requestId)).status)
      .toBe('succeeded');
    expect(calls).toBe(1);
  });

  test('a call waits to be begun until it does', async () => {
    const payload = fixture.payload();
    await fixture.consume(async (given, context) => {
      await refuse();
      const { state } = await context.open(emptyCheckpoint);
      return { value: toResult(given, state) };
    });
    const waiter = fixture.front.waiters.wait(payload.requestId, payload);
    await fixture.front.producer.addGeneration(payload);
    await expect.poll(() => fixture.redis.client().info('errorstats')).toContain('NOREPLICAS');
    await accept();
    const outcome = await waiter.outcome;
    expect(outcome.status === 'succeeded' && GenerationResult.parse(outcome.value).text).toBe('fresh');
  });

  test('because another took its place behind the same address: that one is asked within 5 s', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'aimm-queue-'));
    const successor = await createRedisServer(dir);
    // Once the queues are closed, which need it.
    onTestFinished(async () => {
      await successor.stop();
      await rm(dir, { recursive: true });
    });
    const demoted = fixture.redis.client();
    await fixture.consume(async (payload) => ({ value: toResult(payload, 'again') }));
    const ask = async () => {
      const payload = fixture.payload();
      await fixture.front.producer.addGeneration(payload);
      return fixture.front.waiters.wait(payload.requestId, payload).outcome;
    };
    await ask();
    await rm(fixture.redis.socket);
    await symlink(successor.socket, fixture.redis.socket);
    await demoted.call('REPLICAOF', '127.0.0.1', '1');
    const startedAt = performance.now();
    await expect.poll(() => ask().then(({ status }) => status, String), { timeout: 5_000 }).toBe('succeeded');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

test('with Redis out of memory those who wait for a call are answered, and its answer is kept for who asks later', async () => {
  const { flights, waiters } = fixture.front;
  const id = 'gen_leader';
  const shared = { flight: { id, slot: 'the same' }, cache: { key: 'the same', ttlMs: 60_000 } };
  const [leader, follower] = [fixture.payload({ requestId: id }), fixture.payload()];
  await flights.join({ ...leader, ...shared }, shared.cache.key, []);
  const waiter = waiters.wait(follower.requestId, follower);
  expect(await flights.join({ ...follower, ...shared }, shared.cache.key, [])).toEqual({ state: 'following' });
  await fixture.redis.client().config('SET', 'maxmemory', '1mb');
  const outcome = { status: 'succeeded', value: toResult(leader, 'for both') } as const;
  await flights.land({ ...leader, ...shared }, { outcome, rows: [], maxReplyBytes: 10_000 });
  expect(await waiter.outcome).toMatchObject({ status: 'succeeded', value: { text: 'for both' } });
  const late = fixture.payload();
  expect(await flights.join({ ...late, ...shared }, shared.cache.key, []).catch(String)).toContain('out of memory');
  await fixture.redis.client().config('SET', 'maxmemory', '0');
  expect(await flights.join({ ...late, ...shared }, shared.cache.key, [])).toMatchObject({ state: 'cached' });
});

describe('the content of jobs that have ended', () => {
  const hour = 3_600_000;
  const openRemover = async (...queues: string[]) => {
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const remover = createContentRemover({ redis: fixture.redis.client(), queues: () => queues, keepMs: 10, logger });
    onTestFinished(() => remover.close());
    return remover;
  };
  const isEmpty = async (requestId: string) =>
    (await fixture.redis.client().hexists(`{aimm}:openai:${requestId}`, 'aimm:emptied')) === 1;
  /** Answers a request; its worker's clock is wrong by so much. */
  const answer = async (aheadMs = 0) => {
    const redis = fixture.redis.client();
    const payload = fixture.payload();
    await fixture.front.producer.addGeneration(payload);
    const endedAt = async () => Number(await redis.zscore('{aimm}:openai:completed', payload.requestId));
    await expect.poll(endedAt).toBeGreaterThan(0);
    const finishedOn = (await endedAt()) + aheadMs;
    await redis.zadd('{aimm}:openai:completed', finishedOn, payload.requestId);
    await redis.hset(`{aimm}:openai:${payload.requestId}`, 'finishedOn', finishedOn);
    return payload.requestId;
  };
  beforeEach(() => fixture.consume(async (payload) => ({ value: toResult(payload, 'a word') })));

  test('is removed in the queue of a provider that the configuration has no more', async () => {
    const requestId = await answer();
    await fixture.redis.client().zadd('{aimm}:served', Date.now(), 'openai');
    const remover = await openRemover('mistral');
    await expect.poll(() => remover.run().then(() => isEmpty(requestId))).toBe(true);
  });

  test.each([
    [
      'ended in a way that this release does not know',
      {
        'aimm:outcome': '{"status":"failed","error":{"code":"new","message":"m","hint":"secret"},"text":"secret"}',
        'aimm:checkpoint': '{"calls":[{"number":1,"state":"new","said":"secret"}],"unfit":{"text":"secret"}}',
      },
      {
        'aimm:emptied': '1',
        'aimm:outcome': '{"status":"failed","error":{"code":"new","message":"m"}}',
        'aimm:checkpoint': '{"calls":[{"number":1,"state":"new"}],"rows":[]}',
      },
    ],
    [
      'is in a form that nobody knows',
      { data: '{"said":"secret', 'aimm:outcome': '"secret"', 'aimm:checkpoint': '["secret"]' },
      { 'aimm:emptied': '1', data: '{"contentRemoved":true}' },
    ],
    ['cannot be emptied', { data: '{"replyTo":"{aimm}:served"}' }, { data: '{"replyTo":"{aimm}:served"}' }],
  ])('is removed of all other jobs, where one %s', async (_name, odd, left) => {
    const redis = fixture.redis.client();
    await redis.zadd('{aimm}:served', 1, 'openai');
    const first = await answer();
    await redis.hset(`{aimm}:openai:${first}`, odd);
    const remover = await openRemover('openai');
    const second = await answer();
    await expect.poll(() => remover.run().then(() => isEmpty(second))).toBe(true);
    const found = await redis.hgetall(`{aimm}:openai:${first}`);
    expect(found).toMatchObject(left);
    expect(JSON.stringify(found)).not.toContain('secret');
  });

  test('is removed though the clock of whoever ended a job, or looked, was an hour ahead', async () => {
    const remover = await openRemover('openai');
    const early = await answer(hour);
    await withClockAhead(hour + 1_000, () => remover.run());
    const late = await answer();
    await expect.poll(() => remover.run().then(() => isEmpty(late))).toBe(true);
    await expect.poll(() => remover.run().then(() => isEmpty(early))).toBe(true);
  });

  test('is removed though the clock of whoever ended a job was an hour behind', async () => {
    const right = await answer();
    const remover = await openRemover('openai');
    await expect.poll(() => remover.run().then(() => isEmpty(right))).toBe(true);
    const belated = await answer(-hour);
    // As a worker that starts, and each now and then.
    const another = await openRemover('openai');
    await expect.poll(() => another.run().then(() => isEmpty(belated))).toBe(true);
  });

  test('of failures is looked at past what a clock that was ahead had seen', async () => {
    const redis = fixture.redis.client();
    const unsettled = createUnsettledJobs(redis);
    const fail = async (jobId: string, at: number) => {
      await redis.hset(`{aimm}:openai:${jobId}`, { data: '{}', failedReason: 'why' });
      await redis.zadd('{aimm}:openai:failed', at, jobId);
    };
    await fail('early', Date.now() + hour);
    await withClockAhead(hour + 1_000, () => unsettled.readFailures('openai', 10, 0));
    await fail('late', Date.now() - 1);
    expect(await unsettled.readFailures('openai', 10, 0)).toMatchObject([{ jobId: 'late' }]);
  });
});
