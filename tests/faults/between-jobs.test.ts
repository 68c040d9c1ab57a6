import type { GeneratePayload, LedgerRow, Outcome } from '@aimm/contracts';
import { createHandOver, createProducer } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { caller, operator, toMessages } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createQueueFixture, toResult } from '../support/queue-fixture.ts';
import { echo } from '../support/upstream.ts';

const small = 'mistral/mistral-small-latest';
const large = 'mistral/mistral-large-latest';
const priced = 'mistral/mistral-medium-3-5';

/** What somebody left who ended a job in favour of its fallback, and died before that was added. */
async function leaveToFallback({ redis }: FaultStack, requestId: string, change: Partial<GeneratePayload> = {}) {
  const client = redis.client();
  const job = `{aimm}:mistral:${requestId}`;
  const outcome: Outcome = {
    status: 'failed',
    error: { code: 'timeout', message: 'it was busy', retryable: false },
    continues: true,
    next: large,
  };
  const data = JSON.parse((await client.hget(job, 'data')) ?? '{}') as GeneratePayload;
  await client.hset(job, { 'aimm:outcome': JSON.stringify(outcome), data: JSON.stringify({ ...data, ...change }) });
}

test('between two jobs of a request a deadline that passes ends it, and a cancel reaches whatever comes next', async () => {
  const stack = await createFaultStack();
  const front = await stack.openFront();
  const redis = stack.redis.client();
  const late = await stack.generate(front, 'late', { model: small, fallbacks: [large] });
  await leaveToFallback(stack, late.requestId, { deadlineAt: Date.now() - 1 });
  const cancelled = await stack.generate(front, 'cancelled in between', { model: small, fallbacks: [large] });
  await leaveToFallback(stack, cancelled.requestId);

  // Of two that share a call the first is gone, and whoever made the second its heir died before its job was added.
  const ask = { model: small, settings: {}, cache: true, messages: toMessages('asked by two') };
  const leader = await front.generate(caller, ask);
  const heir = await front.generate(caller, ask);
  leader.result.catch(() => undefined);
  await redis.zrem('{aimm}:mistral:prioritized', leader.requestId);
  await redis.del(`{aimm}:mistral:${leader.requestId}`);
  const flight = `{aimm}:flight:${leader.requestId}`;
  expect(await redis.hexists(flight, `f:${heir.requestId}`)).toBe(1);
  await redis.hset(flight, { leader: heir.requestId, [`after:${leader.requestId}`]: heir.requestId });

  await Promise.all([cancelled, heir].map(({ requestId }) => front.cancelJob(caller, requestId)));
  await stack.startWorker();
  await expect(late.result).rejects.toMatchObject({ code: 'timeout' });
  await expect(cancelled.result).rejects.toMatchObject({ code: 'cancelled' });
  await expect(heir.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(await front.getJob(caller, late.requestId)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  expect(await front.getJob(caller, cancelled.requestId)).toMatchObject({ status: 'cancelled' });
  expect(stack.upstream.calls).toEqual([]);
});

test('a cancel that comes to the job that a request has just left reaches the one that it goes on as', async () => {
  const fixture = await createQueueFixture();
  onTestFinished(() => fixture.close());
  const { front } = fixture;
  const payload = fixture.payload();
  await front.producer.addGeneration(payload);
  const next = { ...payload, hop: 1, request: { ...payload.request, model: 'n' } };
  const error = { code: 'timeout', message: 'it was busy', retryable: false } as const;
  expect(await front.handOver.move(payload, next, { error })).toBe(true);
  expect(await front.producer.cancel('openai', payload.requestId, { asWhole: true })).toBe('moved');
  const opened = Promise.withResolvers<string>();
  await fixture.consume(async (taken, context) => {
    opened.resolve((await context.open({ calls: [], rows: [], stalledCount: 0 })).state);
    return { value: toResult(taken, '') };
  });
  expect(await opened.promise).toBe('cancelled');
});

test('a Redis that is silent while a request goes on as another job does not cancel it', async () => {
  const fixture = await createQueueFixture();
  onTestFinished(() => fixture.close());
  const { front } = fixture;
  const redis = fixture.redis.client();
  const payload = fixture.payload();
  await front.producer.addGeneration(payload);
  const next = { ...payload, hop: 1, request: { ...payload.request, model: 'n' } };
  const handOver = createHandOver(redis, {
    async addGeneration(...given) {
      await redis.client('PAUSE', 2_500);
      await front.producer.addGeneration(...given);
    },
  });
  const error = { code: 'timeout', message: 'it was busy', retryable: false } as const;
  await expect(handOver.move(payload, next, { error })).rejects.toMatchObject({ code: 'unavailable' });
  // What was sent arrives once Redis goes on, in its order.
  const job = `{aimm}:openai:${payload.requestId}-hop1`;
  await expect.poll(() => redis.exists(job), { timeout: 10_000 }).toBe(1);
  await front.ping();
  const opened = Promise.withResolvers<string>();
  await fixture.consume(async (taken, context) => {
    if (taken.hop === 1) opened.resolve((await context.open({ calls: [], rows: [], stalledCount: 0 })).state);
    return { value: toResult(taken, '') };
  });
  expect(await opened.promise).toBe('fresh');
});

test('a call that is passed on once more, after a crash, does not lead its heir back from its fallback', async () => {
  const fixture = await createQueueFixture();
  onTestFinished(() => fixture.close());
  const { front } = fixture;
  const join = async () => {
    const payload = fixture.payload();
    const shared = { ...payload, flight: { id: payload.requestId, slot: 'asked by both' } };
    return { payload: shared, joined: await front.flights.join(shared, 'key', []) };
  };
  const leader = await join();
  const heir = await join();
  expect([leader.joined.state, heir.joined.state]).toEqual(['leading', 'following']);
  const { flight } = leader.payload;
  expect(await front.flights.passOn(flight, leader.payload.requestId)).toBe(true);

  const asked = { ...heir.payload, flight };
  const next = { ...asked, hop: 1, request: { ...asked.request, model: 'n' } };
  const error = { code: 'timeout', message: 'it was busy', retryable: false } as const;
  expect(await front.handOver.move(asked, next, { error })).toBe(true);
  expect(await front.flights.passOn(flight, leader.payload.requestId)).toBe(true);
  const record = await front.requests.find(asked.requestId);
  expect(record).toMatchObject({ jobId: `${asked.requestId}-hop1`, model: 'openai/n' });
});

test('a comparison that is cancelled keeps the answers that it has', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave((call, tools) =>
    call.model === 'mistral-large-latest'
      ? tools.fail(500, { message: 'broken' }, { 'retry-after': '60' })
      : echo(call, tools),
  );
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const compared = await stack.compare(front, 'half', [small, large]);
  const [answered, waiting] = compared.children.map(({ requestId }) => requestId);
  const redis = stack.redis.client();
  await expect.poll(() => redis.zcard('{aimm}:mistral:completed'), { timeout: 10_000 }).toBe(1);
  await expect.poll(() => redis.zcard('{aimm}:mistral:delayed'), { timeout: 10_000 }).toBe(1);
  expect(await front.cancelJob(caller, compared.requestId)).toMatchObject({
    status: 'cancelled',
    children: [
      { requestId: answered, status: 'succeeded' },
      { requestId: waiting, status: 'cancelled' },
    ],
  });
  await expect(compared.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(await front.getJob(caller, answered ?? '')).toMatchObject({
    status: 'succeeded',
    generation: { text: `echo: ${compared.prompt}` },
  });
  expect(await redis.keys(`{aimm}:compare:${compared.requestId}*`)).toEqual([]);
  await expectInvariants(stack);
});

test('a comparison that is cancelled after its worker died in a call leaves that call to be accounted for', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave((_call, { held }) => held);
  const front = await stack.openFront();
  const worker = await stack.startWorker();
  const compared = await stack.compare(front, 'cut off', [small, large]);
  await stack.upstream.arrived(2);
  await worker.end('SIGKILL');
  const redis = stack.redis.client();
  // What time would do.
  for (const { requestId } of compared.children) await redis.del(`{aimm}:mistral:${requestId}:lock`);
  await front.cancelJob(caller, compared.requestId);
  await stack.startWorker();
  await expect(compared.result).rejects.toMatchObject({ code: 'cancelled' });
  const { ledger } = await stack.database();
  const rowsOf = async () =>
    (await Promise.all(compared.children.map(({ requestId }) => ledger.findByRequest(requestId)))).flat();
  await expect
    .poll(async () => (await rowsOf()).map(({ status }) => status), { timeout: 15_000 })
    .toEqual(['outcome_unknown', 'outcome_unknown']);
});

test('a model that a comparison would not wait for is told apart from one that was taken out', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '1' } });
  stack.upstream.behave((_call, { held }) => held);
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const blocking = await stack.generate(front, 'holds the only place');
  await stack.upstream.arrived(1);
  const compared = await stack.compare(front, 'impatient', [small, large], { maxWaitMs: 300 });
  const { entries } = await compared.result;
  expect(entries.map(({ error }) => error?.code)).toEqual(['timeout', 'timeout']);
  await front.cancelJob(caller, blocking.requestId);
  await expect(blocking.result).rejects.toMatchObject({ code: 'cancelled' });
});

test('text of a call that its worker died over is taken back, be it that the request waits then or goes on at a fallback', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave((call, tools) => {
    if (call.number > 2) return echo(call, tools);
    tools.write('half an ans');
    return tools.held;
  });
  const [worker, front] = await Promise.all([stack.startWorker(), stack.openFront()]);
  const options = { stream: true };
  const waits = await stack.generate(front, 'set aside', { model: small }, options);
  const goesOn = await stack.generate(front, 'asked of another', { model: small, fallbacks: [large] }, options);
  await expect.poll(() => [waits.heard, goesOn.heard], { timeout: 10_000 }).toEqual(['half an ans', 'half an ans']);
  await worker.end('SIGKILL');
  const aside = {
    since: Date.now(),
    until: Date.now() + 600_000,
    round: 0,
    failures: 3,
    calls: 3,
    code: 'server_error',
  };
  await stack.redis.client().hset('{aimm}:cooldowns', small, JSON.stringify(aside));
  await stack.startWorker();
  expect((await goesOn.result).text).toBe(`echo: ${goesOn.prompt}`);
  // A worker that is slow may lose a job once more, and another takes the same text back again.
  const kinds = ({ events }: typeof waits) =>
    events
      .map(({ type }) => type)
      .filter((type, index, all) => type !== 'queued' && (type !== 'reset' || all[index - 1] !== 'reset'));
  expect(kinds(goesOn)).toEqual(['started', 'text', 'reset', 'started', 'text']);
  await expect
    .poll(() => kinds(waits).slice(0, 4), { timeout: 20_000 })
    .toEqual(['started', 'text', 'reset', 'waiting']);
  await front.cancelJob(caller, waits.requestId);
});

/** A stack with one budget, and how that stands. */
async function createBudgetStack(limitUsd = 1) {
  const stack = await createFaultStack({
    change: (file) => Object.assign(file, { budgets: [{ name: 'all', limitUsd, period: 'month' }] }),
  });
  const front = await stack.openFront();
  const read = async () => {
    const [budget] = (await front.health(operator, { provider: 'mistral' })).budgets ?? [];
    return { spent: budget?.spentNanoUsd, held: budget?.heldNanoUsd };
  };
  return { stack, front, read };
}
const settings = { maxOutputTokens: 100 };

/** The job has made a call that cost something, and waits to be tried again. */
async function putBack({ redis }: FaultStack, requestId: string, costNanoUsd: number): Promise<LedgerRow> {
  const row = createLedgerRow({ requestId, provider: 'mistral', status: 'partial', errorCode: 'network', costNanoUsd });
  const checkpoint = { calls: [{ number: 1, startedAt: Date.now(), state: 'failed' }], rows: [row], stalledCount: 0 };
  await redis.client().hset(`{aimm}:mistral:${requestId}`, 'aimm:checkpoint', JSON.stringify(checkpoint));
  return row;
}

test('what a request had cost before it was cancelled in its queue stays spent', async () => {
  const { stack, front, read } = await createBudgetStack();
  const asked = await stack.generate(front, 'put back, then cancelled', { model: priced, settings });
  await putBack(stack, asked.requestId, 5_000);
  expect(await front.cancelJob(caller, asked.requestId)).toMatchObject({ status: 'cancelled' });
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(await read()).toEqual({ spent: 5_000, held: 0 });
});

test('what a request had cost stays spent when it goes to a fallback, and is paid for when it is run again', async () => {
  const { stack, front, read } = await createBudgetStack();
  const asked = await stack.generate(front, 'put back, then busy', {
    model: priced,
    settings,
    maxWaitMs: 1_500,
    fallbacks: ['mistral/mistral-small-2603'],
  });
  await putBack(stack, asked.requestId, 5_000);
  const redis = stack.redis.client();
  const hop = `{aimm}:mistral:${asked.requestId}-hop1`;
  await expect.poll(() => redis.exists(hop), { timeout: 10_000 }).toBe(1);
  await stack.startWorker();
  const { costNanoUsd, calls } = await asked.result;
  expect(calls).toBe(2);
  expect(costNanoUsd).toBeGreaterThan(0);
  const before = 5_000 + (costNanoUsd ?? 0);
  expect(await read()).toEqual({ spent: before, held: 0 });

  stack.upstream.behave((_call, { fail }) => fail(400, { message: 'no' }));
  const failing = await stack.generate(front, 'run again', { model: priced, settings });
  await expect(failing.result).rejects.toMatchObject({ code: 'invalid_request' });
  expect(await read()).toEqual({ spent: before, held: 0 });
  stack.upstream.behave(echo);
  // As the dashboard does.
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const producer = createProducer({ redis, logger });
  onTestFinished(() => producer.close());
  await expect.poll(() => producer.runAgain('mistral', failing.requestId), { timeout: 10_000 }).toBe(true);
  await expect
    .poll(() => redis.zscore('{aimm}:mistral:completed', failing.requestId), { timeout: 10_000 })
    .not.toBeNull();
  const { ledger } = await stack.database();
  const rows = await ledger.findByRequest(failing.requestId);
  expect(rows.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
  const cost = rows.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0);
  expect(cost).toBeGreaterThan(0);
  expect(await read()).toEqual({ spent: before + cost, held: 0 });
});

test('of a comparison that a budget refused nothing is heard any more', async () => {
  const { stack, front } = await createBudgetStack(0.000_001);
  const events: string[] = [];
  const compared = front.compare(
    caller,
    { models: [priced, 'mistral/mistral-small-2603'], settings, messages: toMessages('too dear') },
    { onProgress: ({ type }) => events.push(type) },
  );
  await expect(compared).rejects.toMatchObject({ code: 'budget_exceeded' });
  // Whoever still waited would be told that the server has let go of the queue.
  await front.close();
  expect(events).toEqual([]);
  expect(stack.upstream.calls).toEqual([]);
});
