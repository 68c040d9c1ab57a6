import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createManager, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startVendorLists, type VendorLists } from '../support/vendor-lists.ts';
import { ask, me, startSystem, type System } from '../support/system.ts';

let lists: VendorLists;
let system: System;
let second: Manager;
/** A machine that has an Ollama, which says that it is broken, or nothing. */
let asleep: Server;
let [refuses, woken] = [false, 0];
beforeAll(async () => {
  lists = await startVendorLists();
  asleep = createServer((_request, response) => {
    woken += 1;
    if (refuses) response.writeHead(500).end();
  }).listen(0, '127.0.0.1');
  await once(asleep, 'listening');
  const { port } = asleep.address() as AddressInfo;
  system = await startSystem({ MISTRAL_BASE_URL: lists.url, OLLAMA_BASE_URL: `http://127.0.0.1:${port}` });
  second = await openManager();
});
afterAll(async () => {
  await second.close();
  await system.close();
  await lists.stop();
  asleep.closeAllConnections();
  asleep.close();
});

/** A front that has asked nobody yet. */
async function openManager(): Promise<Manager> {
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '' } = system.env;
  return createManager({ redisUrl, databaseUrl, raw: system.env, logger });
}

const idsOf = async (manager: Manager, refresh = false) => {
  const { models } = await manager.listModels({ provider: 'mistral', refresh });
  return models.filter(({ listed }) => listed === true).map(({ id }) => id);
};

test('a provider is asked for its models once for all fronts; refresh asks anew, for all of them', async () => {
  const [first, newcomer] = [`model-${randomUUID()}`, `model-${randomUUID()}`];
  lists.say([first]);
  expect(await idsOf(system.manager)).toEqual([first]);
  lists.say([first, newcomer]);
  expect(await idsOf(system.manager)).toEqual([first]);
  expect(await idsOf(second)).toEqual([first]);
  expect(lists.asked()).toBe(1);

  expect((await idsOf(second, true)).toSorted()).toEqual([first, newcomer].toSorted());
  expect(lists.asked()).toBe(2);
  expect((await idsOf(system.manager)).toSorted()).toEqual([first, newcomer].toSorted());
  expect(lists.asked()).toBe(2);

  const redis = system.redis.client();
  const left = await redis.pttl('{aimm}:listing:mistral');
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(300_000);
});

/** Three requests that name no model, each given up once it is in its queue: this vendor lists models and answers nothing. */
async function askThree(manager: Manager): Promise<void> {
  for (const text of ['one', 'two', 'three']) {
    const leave = new AbortController();
    const { models } = await manager.generate(me, ask(text), { signal: leave.signal });
    expect(models[0]).toMatch(/^mistral\//);
    leave.abort();
  }
}

test('what cannot be asked for its models is not asked again for each request', async () => {
  refuses = true;
  await askThree(second);
  expect(woken).toBe(1);
});

test('a machine that sleeps does not hold up those who ask no model by name', async () => {
  [refuses, woken] = [false, 0];
  const startedAt = Date.now();
  await askThree(system.manager);
  // Whoever asks the machine itself waits 8 s.
  expect(Date.now() - startedAt).toBeLessThan(6_000);
  expect(woken).toBe(1);
});

test.each<[string, (manager: Manager, model: string) => Promise<unknown>]>([
  ['is asked', queueOne],
  ['is a fallback', (manager, model) => queueOne(manager, 'mistral/mistral-small-latest', [model])],
  ['is estimated', (manager, model) => manager.estimateCost(me, { ...ask('x'), models: [model] })],
  ['is preferred', (manager, model) => manager.setPreference(me, { name: 'odd', models: [model] })],
  ['is looked up', (manager, model) => manager.getModelInfo(me, model)],
])('a bare id that only a provider lists %s at a front that has asked nobody yet', async (_is, use) => {
  refuses = true;
  const odd = `model-${randomUUID()}`;
  lists.say([odd]);
  await idsOf(second, true);
  const fresh = await openManager();
  onTestFinished(() => fresh.close());
  await use(fresh, odd);
  await expect(use(fresh, 'nobody-lists-this')).rejects.toMatchObject({ code: 'unknown_model' });
});

test('a model that is named with its provider is asked without a look at what anybody lists', async () => {
  const [before, wokenBefore] = [lists.asked(), woken];
  const fresh = await openManager();
  onTestFinished(() => fresh.close());
  await queueOne(fresh, `mistral/model-${randomUUID()}`);
  expect([lists.asked(), woken]).toEqual([before, wokenBefore]);
});

/** A request that is given up once it is in its queue: this vendor lists models and answers nothing. */
async function queueOne(manager: Manager, model: string, fallbacks?: string[]): Promise<void> {
  const leave = new AbortController();
  await manager.generate(me, { ...ask('one'), model, fallbacks }, { signal: leave.signal });
  leave.abort();
}
