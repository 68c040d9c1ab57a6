import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

describe.each(databaseKinds)('preferences on %s', (kind) => {
  let database: Database;
  let clock = 10_000;
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind), now: () => (clock += 1_000) });
  });
  afterAll(() => database.close());

  it('are a client’s own and everybody’s, and nobody else’s', async () => {
    const { preferences } = database;
    const review = { client: 'ci', name: 'review', models: ['a/m', 'b/n'], settings: { temperature: 0.2 } };
    expect(await preferences.put(review)).toEqual({ ...review, updatedAt: 11_000 });
    await preferences.put({ client: '*', name: 'fast', models: ['a/m'], settings: {} });
    await preferences.put({ client: 'other', name: 'fast', models: ['b/n'], settings: {} });
    expect((await preferences.list('ci')).map(({ client, name }) => `${client} ${name}`)).toEqual([
      '* fast',
      'ci review',
    ]);
    expect((await preferences.list('*')).map(({ name }) => name)).toEqual(['fast']);
  });

  it('are set in place of those of the same owner and name, whatever text they hold', async () => {
    const { preferences } = database;
    const system = 'Grüße, 你好 🙂 "quoted"\n';
    await preferences.put({ client: 'ci', name: 'review', models: [], settings: { system, stop: ['END'] } });
    expect(await preferences.list('ci')).toMatchObject([{}, { models: [], settings: { system, stop: ['END'] } }]);
    // What one of the two databases would not take is left out.
    await preferences.put({ client: 'ci', name: 'review', models: [], settings: { system: 'a\0b' } });
    expect(await preferences.list('ci')).toMatchObject([{}, { settings: { system: 'ab' } }]);
  });

  it('set by two at once leave one of the two', async () => {
    const { preferences } = database;
    const models = Array.from({ length: 8 }, (_, index) => [`a/m${index}`]);
    await Promise.all(
      models.map((list) => preferences.put({ client: 'many', name: 'one', models: list, settings: {} })),
    );
    const stored = (await preferences.list('many')).filter(({ client }) => client === 'many');
    expect(stored).toHaveLength(1);
    expect(models).toContainEqual(stored[0]?.models);
  });

  it('are removed by owner and name', async () => {
    const { preferences } = database;
    expect(await preferences.remove('other', 'review')).toBe(false);
    expect(await preferences.remove('ci', 'review')).toBe(true);
    expect(await preferences.remove('ci', 'review')).toBe(false);
    expect((await preferences.list('ci')).map(({ name }) => name)).toEqual(['fast']);
  });
});
