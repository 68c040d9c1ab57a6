import { createManager, type JobList } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { ask, startSystem, type System } from '../support/system.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-small-latest';
const [me, other, admin] = [
  { client: 'me', admin: false },
  { client: 'other', admin: false },
  { client: 'boss', admin: true },
];

let system: System;
beforeAll(async () => {
  system = await startSystem({ MISTRAL_CONCURRENCY: '1' });
});
afterAll(() => system?.close());
beforeEach(() => system.upstream.behave(echo));

const idsOf = ({ jobs }: JobList) => jobs.map(({ requestId }) => requestId);
const generate = async (caller = me, more: object = {}) => {
  const { requestId, result } = await system.manager.generate(caller, { ...ask('secret words'), model, ...more });
  await result.catch(() => undefined);
  return requestId;
};

test('a client sees its own requests, newest first, and an admin everybody’s; nobody sees what was asked', async () => {
  const mine = [await generate(), await generate()];
  const theirs = await generate(other);
  const last = await generate();
  expect(idsOf(await system.manager.listJobs(me))).toEqual([last, ...mine.toReversed()]);
  expect(idsOf(await system.manager.listJobs(other))).toEqual([theirs]);
  // Naming another client does not help who is no admin.
  expect(idsOf(await system.manager.listJobs(other, { client: 'me' }))).toEqual([theirs]);
  expect(idsOf(await system.manager.listJobs(admin))).toEqual([last, theirs, ...mine.toReversed()]);
  expect(idsOf(await system.manager.listJobs(admin, { client: 'other' }))).toEqual([theirs]);
  const { jobs } = await system.manager.listJobs(me, { limit: 1 });
  expect(jobs).toEqual([
    {
      requestId: last,
      kind: 'generation',
      client: 'me',
      status: 'succeeded',
      createdAt: expect.any(Number),
      ageMs: expect.any(Number),
      models: [model],
    },
  ]);
  expect(JSON.stringify(await system.manager.listJobs(admin))).not.toContain('secret words');
});

test('a comparison is one entry, with its models; kinds are told apart', async () => {
  const models = [model, 'mistral/mistral-large-latest'];
  const { requestId, result } = await system.manager.compare(me, { ...ask('compare'), models });
  await result;
  const { jobs } = await system.manager.listJobs(me, { kind: 'comparison' });
  expect(jobs).toMatchObject([{ requestId, kind: 'comparison', status: 'succeeded', models }]);
  const generations = await system.manager.listJobs(me, { kind: 'generation' });
  expect(generations.jobs.every(({ kind }) => kind === 'generation')).toBe(true);
  expect(generations.jobs).toHaveLength(3);
  expect((await system.manager.listJobs(me, { kind: 'batch' })).jobs).toEqual([]);
});

test('requests are found by how they stand, with their place while they wait', async () => {
  system.upstream.behave(async (_call, { write, finish, held }) => {
    write('one moment');
    await held;
    finish();
  });
  const arrived = system.upstream.calls.length + 1;
  const running = await system.manager.generate(other, { ...ask('running'), model });
  await system.upstream.arrived(arrived);
  const waiting = await system.manager.generate(other, { ...ask('waiting'), model });
  const cancelled = await system.manager.generate(other, { ...ask('cancelled'), model });
  await system.manager.cancelJob(other, cancelled.requestId);

  const list = (status: 'running' | 'queued' | 'cancelled' | 'failed') => system.manager.listJobs(other, { status });
  expect(idsOf(await list('running'))).toEqual([running.requestId]);
  expect((await list('queued')).jobs).toMatchObject([{ requestId: waiting.requestId, wait: { position: 1 } }]);
  expect((await list('cancelled')).jobs).toMatchObject([{ requestId: cancelled.requestId, errorCode: 'cancelled' }]);
  expect(await list('failed')).toEqual({ jobs: [] });
  system.upstream.behave(echo);
  system.upstream.release();
  await Promise.all([running.result, waiting.result, cancelled.result.catch(() => undefined)]);
  system.upstream.behave((_call, { fail }) => fail(400, { message: 'no' }));
  const failed = await generate(other);
  expect((await list('failed')).jobs).toMatchObject([{ requestId: failed, errorCode: 'invalid_request' }]);
});

test('answers from the cache, and shared ones, are requests as well', async () => {
  const asker = { client: 'sharer', admin: false };
  const first = await generate(asker, { cache: true });
  const again = await generate(asker, { cache: true });
  const { jobs } = await system.manager.listJobs(asker);
  expect(jobs.map(({ requestId, status }) => `${requestId} ${status}`)).toEqual([
    `${again} succeeded`,
    `${first} succeeded`,
  ]);
});

test('pages are stable while new requests come, and every request is on one of them', async () => {
  const asker = { client: 'pager', admin: false };
  const made: string[] = [];
  for (let count = 0; count < 7; count += 1) made.push(await generate(asker));
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await system.manager.listJobs(asker, { limit: 3, cursor });
    seen.push(...idsOf(page));
    cursor = page.nextCursor;
    await generate(asker);
  } while (cursor !== undefined);
  expect(seen).toEqual(made.toReversed());
  await expect(system.manager.listJobs(asker, { cursor: 'next' })).rejects.toMatchObject({ code: 'invalid_request' });
});

test('while the database is away requests are listed, and that batches are missing is said', async () => {
  const asker = { client: 'unlucky', admin: false };
  const made = await generate(asker);
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const manager = await createManager({
    redisUrl: system.redis.url,
    databaseUrl: 'postgresql://nobody@127.0.0.1:9/nowhere',
    raw: system.env,
    logger,
  });
  onTestFinished(() => manager.close());
  expect(await manager.listJobs(asker)).toMatchObject({ jobs: [{ requestId: made }], withoutBatches: true });
  await expect(manager.listJobs(asker, { kind: 'batch' })).rejects.toMatchObject({ code: 'unavailable' });
  expect(await system.manager.listJobs(asker)).not.toHaveProperty('withoutBatches');
});
