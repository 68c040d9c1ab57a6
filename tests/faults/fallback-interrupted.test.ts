import type { Outcome } from '@aimm/contracts';
import { expect, onTestFinished, test } from 'vitest';
import { startWorkerProcess } from '../support/processes.ts';
import { ask, me, startSystem } from '../support/system.ts';

const small = 'mistral/mistral-small-latest';
const large = 'mistral/mistral-large-latest';

test('a worker that dies after its job failed and before the fallback was queued costs no second call of the first model', async () => {
  const system = await startSystem({ AIMM_LOCK_SECONDS: '2' });
  onTestFinished(() => system.close());
  await system.worker.end('SIGKILL');
  const accepted = await system.manager.generate(me, { ...ask('interrupted'), model: small, fallbacks: [large] });

  // What the dead worker left: the job is active, its lock is gone, its outcome says that a fallback goes on with it.
  const redis = system.redis.client();
  const job = `{aimm}:mistral:${accepted.requestId}`;
  const outcome: Outcome = {
    status: 'failed',
    error: { code: 'server_error', message: 'it failed', retryable: true },
    continues: true,
  };
  const checkpoint = { calls: [{ number: 1, startedAt: Date.now(), state: 'failed' }], rows: [], stalledCount: 0 };
  expect(await redis.zrem('{aimm}:mistral:prioritized', accepted.requestId)).toBe(1);
  await redis.lpush('{aimm}:mistral:active', accepted.requestId);
  await redis.hset(job, { 'aimm:outcome': JSON.stringify(outcome), 'aimm:checkpoint': JSON.stringify(checkpoint) });
  expect(await system.manager.getJob(me, accepted.requestId)).toMatchObject({ status: 'running' });

  const successor = await startWorkerProcess({ ...system.env, AIMM_LOCK_SECONDS: '2' });
  onTestFinished(async () => void (await successor.end('SIGKILL')));
  expect(await accepted.result).toMatchObject({ model: 'mistral-large-latest', fallbackFrom: small, calls: 2 });
  expect(system.upstream.calls.map(({ model }) => model)).toEqual(['mistral-large-latest']);
});

test('a job that is given up after its request went on elsewhere leaves the fallback to be asked', async () => {
  const system = await startSystem({ AIMM_LOCK_SECONDS: '2' });
  onTestFinished(() => system.close());
  await system.worker.end('SIGKILL');
  const accepted = await system.manager.generate(me, { ...ask('given up'), model: small, fallbacks: [large] });

  // It has stopped its workers as often as it may, the last time before the fallback was added.
  const redis = system.redis.client();
  const outcome: Outcome = {
    status: 'failed',
    error: { code: 'server_error', message: 'it failed', retryable: true },
    continues: true,
    next: large,
  };
  const checkpoint = { calls: [{ number: 1, startedAt: Date.now(), state: 'failed' }], rows: [], stalledCount: 3 };
  expect(await redis.zrem('{aimm}:mistral:prioritized', accepted.requestId)).toBe(1);
  await redis.lpush('{aimm}:mistral:active', accepted.requestId);
  await redis.hset(`{aimm}:mistral:${accepted.requestId}`, {
    'aimm:outcome': JSON.stringify(outcome),
    'aimm:checkpoint': JSON.stringify(checkpoint),
    stc: 3,
  });
  await redis.zadd('{aimm}:unsettled', Date.now(), `mistral:${accepted.requestId}`);

  const successor = await startWorkerProcess({ ...system.env, AIMM_LOCK_SECONDS: '2' });
  onTestFinished(async () => void (await successor.end('SIGKILL')));
  expect(await accepted.result).toMatchObject({ model: 'mistral-large-latest', fallbackFrom: small, calls: 2 });
  expect(system.upstream.calls.map(({ model }) => model)).toEqual(['mistral-large-latest']);
});
