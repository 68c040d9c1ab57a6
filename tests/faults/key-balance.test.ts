import { expect, test } from 'vitest';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';

const masterKey = 'master-key-of-these-tests-3kD';
const keyCalls = '{aimm}:key-calls:mistral';
const quick = { timeout: 15_000, interval: 20 };

/** Calls that the upstream has and nobody broke off, by key. */
function countByKey({ upstream }: FaultStack): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { authorization = '', abortedAt, answeredAt } of upstream.calls) {
    const key = authorization.replace('Bearer ', '');
    if (abortedAt === undefined && answeredAt === undefined) counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

async function holdAll(stack: FaultStack): Promise<void> {
  stack.upstream.behave(async (_call, { held, finish }) => {
    await held;
    finish({ text: 'done' });
  });
}

test('two workers spread calls over two keys evenly, also after one of them was killed; and no count stays behind', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_API_KEY: 'key-of-environment', AIMM_MASTER_KEY: masterKey } });
  const { apiKeys } = await stack.database();
  await apiKeys.add({ provider: 'mistral', key: 'key-in-database', label: 'second' }, masterKey);
  await holdAll(stack);
  const front = await stack.openFront();
  // It takes one job, and no more: the others are for the worker that comes next.
  await stack.startWorker({ MISTRAL_CONCURRENCY: '1' });
  const asked = [await stack.generate(front, 'the first')];
  await stack.upstream.arrived(1);
  const doomed = await stack.startWorker({ MISTRAL_CONCURRENCY: '6' });
  for (let index = 0; index < 5; index += 1) asked.push(await stack.generate(front, `further ${index}`));
  await expect.poll(() => countByKey(stack), quick).toEqual({ 'key-of-environment': 3, 'key-in-database': 3 });
  const redis = stack.redis.client();
  expect(await redis.hlen(keyCalls)).toBe(6);
  expect(JSON.stringify(await redis.hgetall(keyCalls))).not.toMatch(/key-of-environment|key-in-database/);

  await doomed.end('SIGKILL');
  await stack.startWorker({ MISTRAL_CONCURRENCY: '6' });
  await stack.upstream.arrived(11);
  await expect.poll(() => countByKey(stack), quick).toEqual({ 'key-of-environment': 3, 'key-in-database': 3 });
  stack.upstream.release();
  await Promise.all(asked.map(({ result }) => result));
  await expect.poll(() => redis.hlen(keyCalls), quick).toBe(0);

  // Of jobs that nobody takes up again a lease counts as long as the job's lock lives.
  const old = Date.now() - 60_000;
  const lock = '{aimm}:mistral:gen_gone:lock';
  await redis.hset(keyCalls, 'gen_gone', `any-key any-lease ${old} ${lock}`);
  await redis.hset(keyCalls, 'gen_alive', `any-key any-lease ${old} ${lock}-of-another`);
  await redis.set(`${lock}-of-another`, 'a worker');
  const { result } = await stack.generate(front, 'looks at the others');
  await stack.upstream.arrived(12);
  expect((await redis.hkeys(keyCalls)).filter((id) => id.startsWith('gen_gone') || id === 'gen_alive')).toEqual([
    'gen_alive',
  ]);
  await redis.hdel(keyCalls, 'gen_alive');
  stack.upstream.release();
  await result;
  await expect.poll(() => redis.hlen(keyCalls), quick).toBe(0);
});

test('a provider with one key asks Redis nothing about it', async () => {
  const stack = await createFaultStack();
  await holdAll(stack);
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { result } = await stack.generate(front, 'one key');
  await stack.upstream.arrived(1);
  expect(await stack.redis.client().exists(keyCalls)).toBe(0);
  stack.upstream.release();
  await result;
});
