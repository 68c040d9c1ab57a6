import { randomUUID } from 'node:crypto';
import { openFrontQueue } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import Sqlite from 'better-sqlite3';
import { v7 as uuidv7 } from 'uuid';
import { expect, onTestFinished, test } from 'vitest';
import { caller, toMessages } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

/** The first call of each prompt is never answered. */
function holdFirstCalls({ upstream }: FaultStack): void {
  upstream.behave((call, tools) => {
    const isFirst = upstream.calls.find(({ prompt }) => prompt === call.prompt) === call;
    return isFirst ? tools.held : echo(call, tools);
  });
}

test('a call whose worker is killed is made again by another worker, and both calls are in the ledger', async () => {
  const stack = await createFaultStack();
  holdFirstCalls(stack);
  const [first, front] = await Promise.all([stack.startWorker(), stack.openFront()]);
  const asked = await stack.generate(front, 'killed during the call');
  await stack.upstream.arrived(1);
  await stack.startWorker();
  await first.end('SIGKILL');

  const result = await asked.result;
  expect(result).toMatchObject({ text: `echo: ${asked.prompt}`, calls: 2 });
  expect(result.warnings.map(({ code }) => code)).toContain('repeated_call');
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([
    { callNumber: 1, status: 'outcome_unknown', costNanoUsd: null },
    { callNumber: 2, status: 'succeeded', inputTokens: 10, outputTokens: 5 },
  ]);
});

test('text that came before the kill is taken back before the next call streams', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave((call, tools) => {
    if (call.number > 1) return echo(call, tools);
    tools.write('half an ans');
    return tools.held;
  });
  const [first, front] = await Promise.all([stack.startWorker(), stack.openFront()]);
  const asked = await stack.generate(front, 'killed while streaming', {}, { stream: true });
  await expect.poll(() => asked.heard, { timeout: 10_000 }).toBe('half an ans');
  await first.end('SIGKILL');
  await stack.startWorker();

  expect((await asked.result).text).toBe(`echo: ${asked.prompt}`);
  const kinds = asked.events.map(({ type }) => type).filter((type) => type !== 'queued');
  expect(kinds.slice(0, 4)).toEqual(['started', 'text', 'reset', 'started']);
  await expectInvariants(stack);
});

test('a request that must not be paid for twice fails with outcome_unknown instead', async () => {
  const stack = await createFaultStack();
  holdFirstCalls(stack);
  const first = await stack.startWorker();
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });
  const queue = openFrontQueue({
    redisUrl: stack.redis.url,
    frontId: randomUUID(),
    providers: () => ['mistral'],
    logger,
  });
  onTestFinished(() => queue.close());

  const prompt = stack.createPrompt('never twice');
  const requestId = `gen_${uuidv7()}`;
  const deadlineAt = Date.now() + 60_000;
  const waiter = queue.waiters.wait(requestId, { deadlineAt });
  await queue.producer.addGeneration({
    requestId,
    client: caller.client,
    tags: [],
    lane: 'interactive',
    enqueuedAt: Date.now(),
    deadlineAt,
    replyTo: queue.replies.stream,
    provider: 'mistral',
    request: { model: 'mistral-small-latest', messages: toMessages(prompt), settings: {} },
    attempts: 3,
    timeoutMs: 30_000,
    stream: false,
    onUnknownOutcome: 'fail',
    warnings: [],
  });
  waiter.added();
  stack.remember({ requestId, prompt, model: 'mistral-small-latest', heard: '', events: [] });
  await stack.upstream.arrived(1);
  await first.end('SIGKILL');
  await stack.startWorker();

  expect(await waiter.outcome).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
  const rows = await expectInvariants(stack);
  expect(rows.get(requestId)).toMatchObject([{ callNumber: 1, status: 'outcome_unknown' }]);
});

test('a worker killed between the answer and the ledger costs no second call, and the row is there once', async () => {
  const stack = await createFaultStack();
  const [first, front] = await Promise.all([stack.startWorker(), stack.openFront()]);
  await stack.answer(front, 'before the lock');
  await expectInvariants(stack);

  const lock = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  const asked = await stack.generate(front, 'killed before the ledger');
  expect((await asked.result).text).toBe(`echo: ${asked.prompt}`);
  await first.end('SIGKILL');
  expect(await (await stack.database()).ledger.findByRequest(asked.requestId)).toEqual([]);

  lock.exec('ROLLBACK');
  await stack.startWorker();
  const rows = await expectInvariants(stack);
  expect(rows.get(asked.requestId)).toMatchObject([{ callNumber: 1, status: 'succeeded' }]);
  expect(stack.upstream.calls).toHaveLength(2);
  expect(first.log()).not.toContain('queueing them');
});

test('a worker killed while an answer is mended leaves the mending to the next: the answer that did not fit is not paid for again', async () => {
  const stack = await createFaultStack();
  const texts = ['no JSON', undefined, '{"ok":true}'];
  stack.upstream.behave(({ number }, { finish, held }) => {
    const text = texts[number - 1];
    return text === undefined ? held : finish({ text });
  });
  const [first, front] = await Promise.all([stack.startWorker(), stack.openFront()]);
  const asked = await stack.generate(front, 'killed while mending', { settings: { responseFormat: { type: 'json' } } });
  await stack.upstream.arrived(2);
  await first.end('SIGKILL');
  await stack.startWorker();

  expect(await asked.result).toMatchObject({ structured: { ok: true }, calls: 3 });
  expect(stack.upstream.bodies[2]).toContain('the answer is not JSON');
  const { ledger } = await stack.database();
  const readRows = async () =>
    (await ledger.findByRequest(asked.requestId)).map(({ callNumber, status }) => `${callNumber} ${status}`);
  await expect.poll(readRows).toEqual(['1 succeeded', '2 outcome_unknown', '3 succeeded']);
});
