import { randomUUID } from 'node:crypto';
import { createManager, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startVendorLists, type VendorLists } from '../support/vendor-lists.ts';
import { startSystem, type System } from '../support/system.ts';

let lists: VendorLists;
let system: System;
let second: Manager;
beforeAll(async () => {
  lists = await startVendorLists();
  system = await startSystem({ MISTRAL_BASE_URL: lists.url });
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '' } = system.env;
  second = await createManager({ redisUrl, databaseUrl, raw: system.env, logger });
});
afterAll(async () => {
  await second.close();
  await system.close();
  await lists.stop();
});

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
