import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { toMedian } from '../support/median.ts';
import { echo } from '../support/upstream.ts';

/** From the cancel to the abort at the vendor, once, on a machine that may be busy; what is promised has a test of its own below. */
const abortedWithinMs = 2_000;

test('cancelling a running call aborts it at the vendor at once, and the ledger keeps what it brought', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((_call, { write, held }) => {
    write('as far as it');
    return held;
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'cancelled while it runs', {}, { stream: true });
  await expect.poll(() => asked.heard, { timeout: 10_000 }).toBe('as far as it');

  const cancelledAt = Date.now();
  const view = await front.cancelJob(caller, asked.requestId);
  expect(view).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  await upstream.aborted(1);
  expect((upstream.calls[0]?.abortedAt ?? Infinity) - cancelledAt).toBeLessThan(abortedWithinMs);
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  const rows = await expectInvariants(stack);
  const [row] = rows.get(asked.requestId) ?? [];
  expect(row).toMatchObject({ status: 'cancelled', errorCode: 'cancelled', estimated: true });
  expect(row?.inputTokens).toBeGreaterThan(0);
  expect(row?.outputTokens).toBeGreaterThan(0);
});

test('a call is cancelled by another front than the one that asked, and when a client gives up', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((_call, { held }) => held);
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const client = new AbortController();
  const [first, second] = await Promise.all([
    stack.generate(front, 'cancelled by another front'),
    stack.generate(front, 'given up by its client', {}, { signal: client.signal }),
  ]);
  await upstream.arrived(2);
  await other.cancelJob(caller, first.requestId);
  const gaveUpAt = Date.now();
  client.abort();
  await upstream.aborted(2);
  expect(Date.now() - gaveUpAt).toBeLessThan(abortedWithinMs);
  await expect(first.result).rejects.toMatchObject({ code: 'cancelled' });
  await expect(second.result).rejects.toMatchObject({ code: 'cancelled' });
  // A second cancel changes nothing.
  expect(await other.cancelJob(caller, first.requestId)).toMatchObject({ status: 'cancelled' });
  await expectInvariants(stack);
});

test('a request that is cancelled while it waits is never called', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '1' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number === 1) await tools.held;
    return echo(call, tools);
  });
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const running = await stack.generate(front, 'holds the only place');
  await upstream.arrived(1);
  const [here, elsewhere] = await Promise.all([
    stack.generate(front, 'cancelled while it waits'),
    stack.generate(front, 'cancelled while it waits, elsewhere'),
  ]);
  expect(await front.cancelJob(caller, here.requestId)).toMatchObject({ status: 'cancelled' });
  expect(await other.cancelJob(caller, elsewhere.requestId)).toMatchObject({ status: 'cancelled' });
  await expect(here.result).rejects.toMatchObject({ code: 'cancelled' });
  await expect(elsewhere.result).rejects.toMatchObject({ code: 'cancelled' });

  upstream.release();
  await running.result;
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(1);
});

test('a request that is cancelled before its second attempt is not called again', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((_call, { fail }) => fail(500, { message: 'broken' }, { 'retry-after': '20' }));
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'cancelled between attempts');
  const redis = stack.redis.client();
  await expect.poll(() => redis.zcard('{aimm}:mistral:delayed'), { timeout: 10_000 }).toBe(1);
  expect(await front.cancelJob(caller, asked.requestId)).toMatchObject({ status: 'cancelled' });
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ status: 'failed', errorCode: 'server_error' }]);
});

test('a request that has ended stays as it ended', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'too late to cancel');
  const { text } = await asked.result;
  const view = await front.cancelJob(caller, asked.requestId);
  expect(view).toMatchObject({ status: 'succeeded', generation: { text } });
  await expectInvariants(stack);
});

test('the vendor sees the connection close within 100 ms of the cancel', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((_call, { held }) => held);
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const tookMs: number[] = [];
  for (let number = 1; number <= 7; number += 1) {
    const asked = await stack.generate(front, `cancelled ${number}`);
    await upstream.arrived(number);
    const cancelledAt = Date.now();
    const cancelling = front.cancelJob(caller, asked.requestId);
    await upstream.aborted(number);
    tookMs.push((upstream.calls[number - 1]?.abortedAt ?? Infinity) - cancelledAt);
    await cancelling;
    await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  }
  // A busy machine may be late now and then.
  expect(toMedian(tookMs)).toBeLessThan(100);
  await expectInvariants(stack);
});

test('a comparison is cancelled with what of it runs, what waits, and what was put aside', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '2' } });
  const { upstream } = stack;
  upstream.behave((call, { held, fail }) =>
    call.model === 'mistral-large-latest' ? fail(500, { message: 'broken' }, { 'retry-after': '60' }) : held,
  );
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront(), stack.startWorker()]);
  const blocking = await stack.generate(front, 'holds a place', { model: 'mistral/ministral-8b-latest' });
  await upstream.arrived(1);
  const models = ['mistral-large-latest', 'mistral-small-latest', 'codestral-latest'].map(
    (model) => `mistral/${model}`,
  );
  const compared = await stack.compare(front, 'cancelled', models);
  const redis = stack.redis.client();
  await expect
    .poll(
      async () => [
        await redis.zcard('{aimm}:mistral:delayed'),
        await redis.llen('{aimm}:mistral:active'),
        await redis.zcard('{aimm}:mistral:prioritized'),
        await redis.zcard('{aimm}:compare:waiting-children'),
      ],
      { timeout: 10_000 },
    )
    .toEqual([1, 2, 1, 1]);

  expect(await other.cancelJob(caller, compared.requestId)).toMatchObject({
    status: 'cancelled',
    children: compared.children.map(({ requestId, model }) => ({
      requestId,
      model: `mistral/${model}`,
      status: 'cancelled',
    })),
  });
  await expect(compared.result).rejects.toMatchObject({ code: 'cancelled' });
  await upstream.aborted(1);
  expect(upstream.calls.find(({ abortedAt }) => abortedAt !== undefined)).toMatchObject({ prompt: compared.prompt });
  await expect
    .poll(() => Promise.all(compared.children.map(({ requestId }) => front.getJob(caller, requestId))), {
      timeout: 10_000,
    })
    .toMatchObject(compared.children.map(() => ({ status: 'cancelled' })));
  expect(await redis.zcard('{aimm}:mistral:delayed')).toBe(0);
  expect(await redis.zcard('{aimm}:mistral:prioritized')).toBe(0);
  upstream.release();
  await front.cancelJob(caller, blocking.requestId);
  await expectInvariants(stack);
});

test('a request that is cancelled while somebody looks at it is never taken for lost', async () => {
  const stack = await createFaultStack();
  const [front, other] = await Promise.all([stack.openFront(), stack.openFront()]);
  const seen = new Set<string>();
  for (let index = 0; index < 20; index += 1) {
    const asked = await stack.generate(front, `nobody works, ${index}`);
    asked.result.catch(() => undefined);
    const cancelling = front.cancelJob(caller, asked.requestId);
    const look = async () => {
      for (;;) {
        const { status, error } = await other.getJob(caller, asked.requestId);
        seen.add(`${status} ${error?.code ?? ''}`.trim());
        if (status !== 'queued') return;
      }
    };
    await Promise.all([cancelling, look(), look(), look()]);
  }
  expect([...seen].toSorted()).toEqual(['cancelled cancelled', 'queued']);
});
