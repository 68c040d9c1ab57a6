import type { Catalog } from '@aimm/catalog';
import type { ModelPreference } from '@aimm/contracts';
import type { DatabaseOnDemand } from '@aimm/database';
import { createLogger } from '@aimm/runtime';
import { expect, test } from 'vitest';
import { createKnownPreferences } from '../src/known-preferences.ts';

const preference = (model: string): ModelPreference => ({
  client: 'me',
  name: 'work',
  models: [model],
  settings: {},
  updatedAt: 0,
});

/** A database that answers as the test says, and counts how often it was asked. */
async function create(answer: () => Promise<ModelPreference[]>) {
  let [now, reads] = [1_000_000, 0];
  const listeners: ((client: string) => void)[] = [];
  const list = () => {
    reads += 1;
    return answer();
  };
  const known = createKnownPreferences({
    // Nothing else of either is asked for.
    catalog: { routing: { rules: {} } } as Catalog,
    database: { get: async () => ({ preferences: { list } }) } as unknown as Pick<DatabaseOnDemand, 'get'>,
    news: { tell: async () => undefined, listen: (listener) => void listeners.push(listener), close: () => undefined },
    logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
    now: () => now,
  });
  return {
    known,
    reads: () => reads,
    pass: (ms: number) => void (now += ms),
    hear: (client: string) => listeners[0]?.(client),
    model: async () => (await known.read('me')).set.find('work')?.models?.[0],
  };
}

test('many requests at once and after each other read the database once', async () => {
  const { reads, pass, model } = await create(async () => [preference('a/m')]);
  await Promise.all(Array.from({ length: 100 }, model));
  pass(2_000);
  expect(await model()).toBe('a/m');
  expect(reads()).toBe(1);
});

test('what grows old is read anew in the background, and what is too old before the request goes on', async () => {
  let current = 'a/m';
  const { reads, pass, model } = await create(async () => [preference(current)]);
  await model();
  current = 'b/m';
  pass(3_000);
  expect(await model()).toBe('a/m');
  await expect.poll(model).toBe('b/m');
  current = 'c/m';
  pass(5_000);
  expect(await model()).toBe('c/m');
  expect(reads()).toBe(3);
  current = 'd/m';
  // A clock that is set back makes nothing fresh again.
  pass(-3_600_000);
  expect(await model()).toBe('d/m');
});

test('word of a change is heeded at once, also while the state before it is being read', async () => {
  const answers = [Promise.withResolvers<ModelPreference[]>(), Promise.withResolvers<ModelPreference[]>()];
  let asked = 0;
  const { hear, model } = await create(() => answers[asked++]?.promise ?? Promise.reject(new Error('asked too often')));
  const first = model();
  await Promise.resolve();
  hear('*');
  answers[0]?.resolve([preference('before/m')]);
  answers[1]?.resolve([preference('after/m')]);
  expect(await first).toBe('after/m');
});

test('while the database is away the last known ones hold, and requests do not wait for it', async () => {
  let isAway = false;
  const { known, reads, pass, model } = await create(async () => {
    if (isAway) throw new Error('away');
    return [preference('a/m')];
  });
  await model();
  isAway = true;
  pass(60_000);
  expect(await model()).toBe('a/m');
  expect((await known.read('me')).isKnown).toBe(true);
  expect(reads()).toBe(2);
  const stranger = await known.read('stranger');
  expect(stranger.isKnown).toBe(false);
  expect(stranger.set.aliases.map(({ name }) => name)).toEqual(['code', 'fast', 'smart']);
  isAway = false;
  pass(2_000);
  expect((await known.read('stranger')).isKnown).toBe(true);
});
