import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

const patience = { timeout: 15_000, interval: 20 };

test('a request that waits knows its place, who waits with it, and from the pace of the queue how long it will take', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '1' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    // The sixth holds the place until the test has looked.
    if (call.number === 6) await tools.held;
    return echo(call, tools);
  });
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const asked = [];
  for (let number = 0; number < 16; number += 1)
    asked.push(await stack.generate(front, `waits ${number}`, {}, { stream: true }));
  await upstream.arrived(6);
  const last = asked.at(-1);
  const view = () => other.getJob(caller, last?.requestId ?? '');
  await expect.poll(view, patience).toMatchObject({
    status: 'queued',
    position: 10,
    wait: { position: 10, inLine: 10, waitingFor: 'queue', estimatedWaitMs: expect.any(Number) },
  });
  await expect
    .poll(() => last?.events.filter(({ type }) => type === 'queued').at(-1), patience)
    .toMatchObject({ position: 10, inLine: 10, estimatedWaitMs: expect.any(Number) });
  // As long as nothing starts the wait grows.
  const before = (await view()).wait?.estimatedWaitMs ?? Infinity;
  await expect.poll(async () => (await view()).wait?.estimatedWaitMs ?? 0, patience).toBeGreaterThan(before);
  upstream.release();
  await Promise.all(asked.map(({ result }) => result));
});

test('a request that is put back says why and until when, and a pause of the provider is told to all who wait', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((call, tools) => {
    if (call.prompt.includes('refused')) return tools.fail(429, { message: 'slow down' }, { 'retry-after': '600' });
    if (call.prompt.includes('broken')) return tools.fail(500, { message: 'broken' }, { 'retry-after': '60' });
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const broken = await stack.generate(front, 'broken', {}, { stream: true });
  const askedAt = Date.now();
  await expect
    .poll(() => front.getJob(caller, broken.requestId), patience)
    .toMatchObject({
      status: 'queued',
      wait: { waitingFor: 'retry', waitingUntil: expect.any(Number), estimatedWaitMs: expect.any(Number) },
    });
  const { wait } = await front.getJob(caller, broken.requestId);
  expect(wait?.waitingUntil).toBeGreaterThan(askedAt + 50_000);
  expect(broken.events).toContainEqual(expect.objectContaining({ type: 'waiting', why: 'retry' }));

  const refused = await stack.generate(front, 'refused', {}, { stream: true });
  await expect
    .poll(() => refused.events.find(({ type }) => type === 'waiting'), patience)
    .toMatchObject({ why: 'provider' });
  // The client is told before the queue pauses.
  await expect
    .poll(() => front.getJob(caller, refused.requestId), patience)
    .toMatchObject({ status: 'queued', wait: { waitingFor: 'provider' } });
  const behind = await stack.generate(front, 'behind it');
  const view = await front.getJob(caller, behind.requestId);
  expect(view).toMatchObject({ status: 'queued', wait: { waitingFor: 'provider' } });
  expect(view.wait?.waitingUntil).toBeGreaterThan(askedAt + 500_000);
  expect(view.wait?.estimatedWaitMs).toBeGreaterThan(500_000);

  // What was put aside by a pause or for its retry is cancelled like what waits in line.
  for (const { requestId } of [broken, refused, behind])
    expect(await front.cancelJob(caller, requestId)).toMatchObject({ status: 'cancelled' });
  for (const { result } of [broken, refused, behind]) await expect(result).rejects.toMatchObject({ code: 'cancelled' });
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(2);
});

test('max_wait_seconds ends a wait behind a pause, also when the front that asked has gone', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((_call, tools) => tools.fail(429, { message: 'slow down' }, { 'retry-after': '600' }));
  const [front, gone, other] = await Promise.all([
    stack.openFront(),
    stack.openFront(),
    stack.openFront(),
    stack.startWorker(),
  ]);
  const first = await stack.generate(front, 'refused', {}, { stream: true });
  await expect.poll(() => first.events.some(({ type }) => type === 'waiting'), patience).toBe(true);
  // Whoever comes before the pause is in force is told at once that it is longer than the wait.
  const redis = stack.redis.client();
  await expect.poll(() => redis.pttl('{aimm}:mistral:limiter'), patience).toBeGreaterThan(60_000);

  const here = await stack.generate(front, 'waits here', { maxWaitMs: 700 });
  const there = await stack.generate(gone, 'its front goes', { maxWaitMs: 700 });
  const lost = there.result.catch(() => undefined);
  await gone.close();
  await lost;
  await expect(here.result).rejects.toMatchObject({ code: 'timeout', hint: expect.stringContaining('longer wait') });
  await expect
    .poll(() => other.getJob(caller, there.requestId), patience)
    .toMatchObject({
      status: 'failed',
      error: { code: 'timeout', message: expect.stringContaining('max_wait_seconds') },
    });
  expect(upstream.calls).toHaveLength(1);
});

test('a worker does not start what has waited past its max_wait_seconds, though nobody looks', async () => {
  const stack = await createFaultStack();
  const gone = await stack.openFront();
  const asked = await stack.generate(gone, 'nobody works yet', { maxWaitMs: 300 });
  const lost = asked.result.catch(() => undefined);
  await gone.close();
  await lost;
  await expect.poll(() => Date.now(), patience).toBeGreaterThan(Date.now() + 300);
  await stack.startWorker();
  const redis = stack.redis.client();
  await expect.poll(() => redis.zscore('{aimm}:mistral:failed', asked.requestId), patience).not.toBeNull();
  const front = await stack.openFront();
  expect(await front.getJob(caller, asked.requestId)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  expect(stack.upstream.calls).toHaveLength(0);
});

test('timeout_seconds bounds each call, and attempts how many there are', async () => {
  const stack = await createFaultStack({ provider: { attempts: 2 } });
  const { upstream } = stack;
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  // The first call of a worker loads what it needs.
  await stack.answer(front, 'answered');
  upstream.behave((_call, { held }) => held);
  const asked = await stack.generate(front, 'never answered', { timeoutMs: 1_000 });
  await expect(asked.result).rejects.toMatchObject({ code: 'timeout' });
  const rows = await expectInvariants(stack);
  const own = rows.get(asked.requestId) ?? [];
  expect(own).toMatchObject([
    { status: 'failed', errorCode: 'timeout' },
    { status: 'failed', errorCode: 'timeout' },
  ]);
  for (const { providerMs = 0 } of own) expect(providerMs).toBeGreaterThanOrEqual(990);
  const held = upstream.calls.filter(({ prompt }) => prompt === asked.prompt);
  const closed = held.map(({ arrivedAt, abortedAt = Infinity }) => abortedAt - arrivedAt);
  expect(Math.max(...closed)).toBeLessThan(2_000);
});
