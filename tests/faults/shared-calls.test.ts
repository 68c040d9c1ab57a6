import { randomUUID } from 'node:crypto';
import type { GeneratePayload } from '@aimm/contracts';
import type { GenerateAsk } from '@aimm/manager';
import { openFrontQueue } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { v7 as uuidv7 } from 'uuid';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { caller, toMessages } from '../support/asker.ts';
import { startCrowd } from '../support/crowd.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-small-latest';
const ask = (text: string): GenerateAsk => ({ model, settings: {}, cache: true, messages: toMessages(text) });

test('when the worker that makes the call is killed, the call is made again for all who wait; after the answer it is not, and all have their rows', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave(async (call, tools) => {
    if (call.number === 1) return tools.held;
    if (call.number === 3) await tools.held;
    return echo(call, tools);
  });
  const first = await stack.startWorker();
  const [one, other] = await Promise.all([stack.openFront(), stack.openFront()]);
  const asked = [await one.generate(caller, ask('shared and killed'))];
  await stack.upstream.arrived(1);
  for (const front of [one, other, other]) asked.push(await front.generate(caller, ask('shared and killed')));
  await first.end('SIGKILL');
  const second = await stack.startWorker();
  const answers = await Promise.all(asked.map(({ result }) => result));
  expect(answers.map(({ text, cached }) => `${text} ${cached}`)).toEqual(
    [false, true, true, true].map((cached) => `echo: shared and killed ${cached}`),
  );
  expect(stack.upstream.calls).toHaveLength(2);
  const { ledger } = await stack.database();
  const read = async () =>
    Promise.all(asked.map(async ({ requestId }) => (await ledger.findByRequest(requestId)).length));
  await expect.poll(read, { timeout: 10_000 }).toEqual([2, 1, 1, 1]);

  const lock = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  asked.push(await one.generate(caller, ask('shared and answered')));
  await stack.upstream.arrived(3);
  asked.push(await other.generate(caller, ask('shared and answered')));
  stack.upstream.release();
  await Promise.all(asked.map(({ result }) => result));
  await second.end('SIGKILL');
  lock.exec('ROLLBACK');
  await stack.startWorker();
  await expect.poll(read, { timeout: 20_000 }).toEqual([2, 1, 1, 1, 1, 1]);
  expect(stack.upstream.calls).toHaveLength(3);
});

test('who waits for the call of another is answered though its front was killed meanwhile', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  await stack.startWorker();
  const front = await stack.openFront();
  const leading = await front.generate(caller, ask('its front is killed'));
  await stack.upstream.arrived(1);
  const crowd = await startCrowd(stack.env);
  const order = { client: caller.client, text: 'its front is killed', model, cache: true };
  const [following] = await crowd.ask({ asks: [order] }).asked;
  await crowd.process.end('SIGKILL');
  // The one that makes the call goes, too: now it is made for a request that has no front.
  await front.cancelJob(caller, leading.requestId);
  await expect(leading.result).rejects.toMatchObject({ code: 'cancelled' });
  await stack.upstream.arrived(2);
  stack.upstream.release();
  const requestId = following !== undefined && 'requestId' in following ? following.requestId : '';
  expect(await front.getJob(caller, requestId, { waitMs: 10_000 })).toMatchObject({
    status: 'succeeded',
    generation: { text: 'echo: its front is killed', calls: 1 },
  });
});

test('a call that was announced and never queued, as its front died over it, is made by one of those who wait for it', async () => {
  const stack = await createFaultStack();
  await stack.startWorker();
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });
  const dying = openFrontQueue({
    redisUrl: stack.redis.url,
    frontId: randomUUID(),
    providers: () => ['mistral'],
    logger,
  });
  onTestFinished(() => dying.close());
  const front = await stack.openFront();
  // What is asked decides the slot: it is read off a request that went well.
  const { requestId, result } = await front.generate(caller, ask('announced'));
  const redis = stack.redis.client();
  const record = JSON.parse((await redis.get(`{aimm}:request:${requestId}`)) ?? '{}') as Pick<
    GeneratePayload,
    'flight'
  >;
  const slot = record.flight?.slot ?? '';
  await result;
  await redis.del(...(await redis.keys('{aimm}:cache:*')));

  const deadId = `gen_${uuidv7()}`;
  const joined = await dying.flights.join(
    {
      requestId: deadId,
      client: caller.client,
      tags: [],
      lane: 'interactive',
      enqueuedAt: Date.now(),
      deadlineAt: Date.now() + 60_000,
      provider: 'mistral',
      request: { model: 'mistral-small-latest', messages: toMessages('announced'), settings: {} },
      attempts: 1,
      timeoutMs: 10_000,
      stream: false,
      onUnknownOutcome: 'retry',
      warnings: [],
      flight: { id: deadId, slot },
    },
    'none',
    [],
  );
  expect(joined).toEqual({ state: 'leading' });
  const waiting = [await front.generate(caller, ask('announced')), await front.generate(caller, ask('announced'))];
  const answers = await Promise.all(waiting.map(({ result }) => result));
  expect(answers.map(({ text, cached }) => `${text} ${cached}`)).toEqual([
    'echo: announced false',
    'echo: announced true',
  ]);
  expect(stack.upstream.calls).toHaveLength(2);
});
