import { inspect } from 'node:util';
import type { GenerationResult, ProviderHealth } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { caller, operator } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { findLeaks, plantKey, readEverything } from '../support/planted.ts';
import { echo } from '../support/upstream.ts';

const masterKey = 'master-key-of-these-tests-3kD';
const provider = 'mistral';
const quick = { timeout: 15_000, interval: 100 };

/** A stack whose environment has no key of the provider, unless `env` brings one. */
async function createKeyStack(env: Record<string, string> = {}) {
  const stack = await createFaultStack({
    env: { MISTRAL_API_KEY: '', AIMM_MASTER_KEY: masterKey, LOG_LEVEL: 'trace', MISTRAL_CONCURRENCY: '1', ...env },
  });
  const { apiKeys } = await stack.database();
  const store = (label: string, key: string) => apiKeys.add({ provider, key, label }, masterKey);
  const health = async (front: Awaited<ReturnType<FaultStack['openFront']>>): Promise<ProviderHealth> => {
    const [one] = (await front.health(operator, { provider })).providers;
    if (one === undefined) throw new Error('no health');
    return one;
  };
  return { stack, apiKeys, store, health };
}

const keyOf = (authorization: string | undefined) => authorization?.replace('Bearer ', '');
const usedKeys = ({ upstream }: FaultStack, from = 0) =>
  upstream.calls.slice(from).map(({ authorization }) => keyOf(authorization));

/** Refuses these keys the way the vendor does. */
function refuse(stack: FaultStack, keys: readonly string[], status = 401, body: object = { message: 'Unauthorized' }) {
  stack.upstream.behave((call, tools) =>
    keys.includes(keyOf(call.authorization) ?? '') ? tools.fail(status, body) : echo(call, tools),
  );
}

async function answersOf(stack: FaultStack, front: Awaited<ReturnType<FaultStack['openFront']>>, count: number) {
  const results: GenerationResult[] = [];
  for (let index = 0; index < count; index += 1)
    results.push(await (await stack.generate(front, `asked ${index}`)).result);
  return results;
}

test('keys of the environment and of the database are used in turn', async () => {
  const { stack, store, health } = await createKeyStack({ MISTRAL_API_KEY: 'key-of-environment' });
  await store('one', 'key-number-one');
  await store('two', 'key-number-two');
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await answersOf(stack, front, 6);
  const turns = ['key-of-environment', 'key-number-one', 'key-number-two'];
  expect(usedKeys(stack)).toEqual([...turns, ...turns]);
  expect((await health(front)).keys).toEqual([
    { label: 'MISTRAL_API_KEY', source: 'environment', state: 'in_use' },
    { label: 'one', source: 'database', fingerprint: '…one', state: 'in_use' },
    { label: 'two', source: 'database', fingerprint: '…two', state: 'in_use' },
  ]);
  await expectInvariants(stack);
});

test('a key that the vendor refuses is set aside, and the next one answers at once', async () => {
  const { stack, store, apiKeys, health } = await createKeyStack();
  await store('revoked', 'key-revoked');
  await store('good', 'key-good');
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  refuse(stack, ['key-revoked']);
  // One attempt is all it has: the second key must not cost one.
  const asked = await stack.generate(front, 'answered', { fallbacks: [] });
  const result = await asked.result;
  expect(result).toMatchObject({ calls: 2, text: `echo: ${asked.prompt}` });
  expect(usedKeys(stack)).toEqual(['key-revoked', 'key-good']);
  await answersOf(stack, front, 3);
  expect(usedKeys(stack, 2)).toEqual(['key-good', 'key-good', 'key-good']);

  const rows = (await expectInvariants(stack)).get(asked.requestId);
  expect(rows?.map(({ callNumber, status, errorCode }) => ({ callNumber, status, errorCode }))).toEqual([
    { callNumber: 1, status: 'failed', errorCode: 'authentication' },
    { callNumber: 2, status: 'succeeded', errorCode: undefined },
  ]);
  const aside = {
    label: 'revoked',
    source: 'database',
    fingerprint: expect.any(String),
    state: 'set_aside',
    reason: 'The provider does not accept it.',
    until: expect.any(Number),
  };
  expect((await health(front)).keys).toContainEqual(aside);
  expect(first.log()).toContain('A key was refused and is set aside');

  // Another worker learns it from the database, and asks nobody with that key.
  await expect.poll(async () => (await apiKeys.list())[0]?.lastFailedReason, quick).toBe('authentication');
  await first.end();
  await stack.startWorker();
  const before = stack.upstream.calls.length;
  await answersOf(stack, front, 2);
  expect(usedKeys(stack, before)).toEqual(['key-good', 'key-good']);
  expect((await health(front)).keys).toContainEqual(aside);
});

test('a quota that is used up sets its key aside, and the last key’s failure is the answer', async () => {
  const { stack, store, health } = await createKeyStack();
  await store('empty', 'key-empty');
  await store('empty too', 'key-empty-too');
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  refuse(stack, ['key-empty', 'key-empty-too'], 402, { message: 'Payment required' });
  await expect.poll(async () => (await health(front)).keys?.length, quick).toBe(2);
  const { result } = await stack.generate(front, 'refused');
  await expect(result).rejects.toMatchObject({ code: 'quota_exceeded' });
  expect(usedKeys(stack)).toEqual(['key-empty', 'key-empty-too']);
  // Refused by both, and asked all the same: somebody may have paid by now.
  stack.upstream.behave(echo);
  await answersOf(stack, front, 2);
  await expectInvariants(stack);
});

test('keys come into use and go out of it while the worker runs', async () => {
  const { stack, store, apiKeys, health } = await createKeyStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  expect(await health(front)).toMatchObject({ configured: false, problem: 'It has no API key.' });
  await expect(stack.generate(front, 'too early')).rejects.toMatchObject({
    code: 'authentication',
    hint: expect.stringContaining('aimm keys add mistral'),
  });

  await store('first', 'key-first-of-all');
  await expect.poll(async () => (await health(front)).configured, quick).toBe(true);
  await answersOf(stack, front, 1);
  await store('second', 'key-second');
  await expect.poll(async () => (await health(front)).keys?.length, quick).toBe(2);
  await apiKeys.remove(provider, 'first');
  await expect.poll(async () => (await health(front)).keys?.length, quick).toBe(1);
  await answersOf(stack, front, 2);
  expect(usedKeys(stack)).toEqual(['key-first-of-all', 'key-second', 'key-second']);

  await apiKeys.remove(provider, 'second');
  await expect.poll(async () => (await health(front)).configured, quick).toBe(false);
  await expectInvariants(stack);
});

test('a key under another master key is told as such, and does not stand in the way of others', async () => {
  const { stack, store, health } = await createKeyStack();
  await store('locked', 'key-locked-away');
  const [front, first] = await Promise.all([
    stack.openFront(),
    stack.startWorker({ AIMM_MASTER_KEY: 'not-the-master-key-of-these-tests' }),
  ]);
  expect(await health(front)).toMatchObject({
    configured: false,
    problem: expect.stringContaining('"locked" of mistral was stored under another master key'),
  });
  await first.end();
  await stack.startWorker({
    AIMM_MASTER_KEY: 'not-the-master-key-of-these-tests',
    MISTRAL_API_KEY: 'key-of-environment',
  });
  await answersOf(stack, front, 2);
  expect(new Set(usedKeys(stack))).toEqual(new Set(['key-of-environment']));
  expect((await health(front)).keys).toContainEqual({
    label: 'locked',
    source: 'database',
    fingerprint: expect.any(String),
    state: 'unreadable',
    reason: expect.stringContaining('another master key'),
  });
});

test('what the vendor says is left of its limits is told', async () => {
  const { stack, health } = await createKeyStack({ MISTRAL_API_KEY: 'key-of-environment' });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  stack.upstream.behave((call, tools) => {
    tools.response.setHeader('x-ratelimit-remaining-req-minute', '41');
    tools.response.setHeader('x-ratelimit-remaining-tokens-minute', '9000');
    return echo(call, tools);
  });
  expect((await health(front)).limits).toBeUndefined();
  await answersOf(stack, front, 1);
  expect((await health(front)).limits).toEqual({
    requestsRemaining: 41,
    tokensRemaining: 9_000,
    seenAt: expect.any(Number),
  });
});

test('stored keys are nowhere but encrypted: not in Redis, database, logs, results, errors or health', async () => {
  const planted = ['first', 'second', 'third'].map((variable) => ({ variable, ...plantKey('sk-') }));
  const { stack, store, apiKeys } = await createKeyStack({ MISTRAL_DEBUG: 'true' });
  const given: string[] = [];
  const collect = async (answer: Promise<unknown>) => {
    const settled = await answer.catch((error: unknown) => error);
    given.push(JSON.stringify(settled), inspect(settled, { depth: 20, showHidden: true }));
  };
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  for (const { variable, key } of planted) await collect(store(variable, key));
  const known = async () => (await front.health(operator, { provider })).providers[0]?.keys?.length;
  await expect.poll(known, quick).toBe(3);
  for (const name of ['one', 'two', 'three']) await collect((await stack.generate(front, `answered ${name}`)).result);
  // Whoever has gone is a secret all the same.
  await collect(apiKeys.remove(provider, 'third'));
  await expect.poll(known, quick).toBe(2);

  // A vendor that tells whoever reads its errors all keys it has ever seen.
  const told = planted.map(({ key }) => `Incorrect API key provided: ${key}. `).join('');
  // The pause that a 429 asks for last: it holds up whoever comes after.
  for (const status of [401, 402, 500, 429]) {
    stack.upstream.behave((_call, { fail }) => fail(status, { message: told, detail: told }, { 'retry-after': '1' }));
    const asked = await stack.generate(front, `refused with ${status}`, { maxWaitMs: 500 });
    await collect(asked.result);
    given.push(JSON.stringify(asked.events));
  }
  stack.upstream.behave(echo);
  await collect((await stack.generate(front, 'answered again')).result);
  for (const { requestId } of stack.generations) await collect(front.getJob(caller, requestId));
  await collect(apiKeys.list());
  await collect(apiKeys.add({ provider, key: planted[0]?.key ?? '' }, masterKey));
  await collect(apiKeys.add({ provider, key: planted[0]?.key ?? '' }, `${masterKey}?`));
  await collect(front.listProviders());
  await collect(front.health(operator, { deep: true }));
  await collect(front.listModels({ refresh: true }));
  await expectInvariants(stack);

  // They were sent where they belong, so there was something to leak.
  expect(usedKeys(stack)).toEqual(expect.arrayContaining(planted.map(({ key }) => key)));
  const places = await readEverything(stack, given);
  const holding = [...places].filter(([, content]) => content.includes('second') || content.includes('mistral'));
  const read = [/^manager$/, /^log of worker/, /aimm\.db/, /appendonly.*incr/];
  expect(read.filter((kind) => !holding.some(([place]) => kind.test(place)))).toEqual([]);
  expect(findLeaks(places, planted)).toEqual([]);
  const master = [...places].filter(([, content]) => content.includes(masterKey));
  expect(master.map(([place]) => place)).toEqual([]);
});
