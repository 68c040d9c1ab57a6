import type { GenerateAsk, Manager } from '@aimm/manager';
import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type RoutedSystem, startRoutedSystem } from '../support/routed-system.ts';
import { ask } from '../support/system.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

const keyed = { keyRequired: true, cooldown: { minimumFailures: 2, firstSeconds: 60 } };
const priced = (provider: string, id: string, perMillionUsd: number) => ({
  provider,
  id,
  contextWindow: 50_000,
  prices: { inputPerMillionUsd: perMillionUsd, outputPerMillionUsd: perMillionUsd },
});
const me = { client: 'me', admin: false };
const other = { client: 'other', admin: false };
const admin = { client: 'boss', admin: true };

describe.each(databaseKinds)('preferences with %s', (kind) => {
  let system: RoutedSystem<'one' | 'two' | 'away'>;
  /** A second front on the same Redis and database. */
  let front: Manager;
  beforeAll(async () => {
    system = await startRoutedSystem(
      { one: keyed, two: keyed, away: keyed },
      {
        env: {
          ONE_API_KEY: 'one-key-0123456789',
          TWO_API_KEY: 'two-key-0123456789',
          DATABASE_URL: await createEmptyDatabase(kind),
        },
        models: [
          priced('one', 'small', 2),
          priced('two', 'small', 1),
          priced('one', 'large', 8),
          priced('two', 'large', 9),
        ],
        routing: {
          tiers: { small: ['away/m', 'one/small', 'two/small'], large: ['away/n', 'two/large', 'one/large'] },
          pools: { equal: ['one/m', 'two/m'], sized: ['away/m', 'one/large'] },
          rules: { strict: { tier: 'large', prefer: 'cheapest', settings: { temperature: 0.7 } } },
        },
      },
    );
    front = await createFront();
  });
  afterAll(async () => {
    await front?.close();
    await system?.close();
  });
  beforeEach(() => Object.values(system.vendors).forEach((vendor) => vendor.behave(echo)));

  async function createFront(databaseUrl = system.env['DATABASE_URL'] ?? ''): Promise<Manager> {
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const { REDIS_URL: redisUrl = '', AIMM_CONFIG_DIR: configDir } = system.env;
    return createManager({ redisUrl, databaseUrl, configDir, raw: system.env, logger });
  }
  const generate = async (more: Partial<GenerateAsk>, caller = me, manager = system.manager) => {
    const { result } = await manager.generate(caller, { ...ask('Hello'), ...more });
    const { provider, model, warnings, alias } = await result;
    return { model: `${provider}/${model}`, alias, said: warnings.map(({ message }) => message) };
  };
  const lastBody = (vendor: 'one' | 'two') =>
    JSON.parse(system.vendors[vendor].bodies.at(-1) ?? '{}') as Record<string, unknown> & {
      messages: { role: string; content: unknown }[];
    };

  test('get_model_info describes what an alias stands for, of several models the one that would be asked now', async () => {
    await system.manager.setPreference(me, { name: 'mine', models: ['one/large'] });
    await system.manager.setPreference(me, { name: 'some', models: ['away/n', 'two/small'] });
    const describeModel = async (name: string, who = me) => {
      const { provider, id } = await system.manager.getModelInfo(who, name);
      return `${provider}/${id}`;
    };
    expect(await describeModel('mine')).toBe('one/large');
    expect(await describeModel('some')).toBe('two/small');
    expect(await describeModel('smart')).toBe('two/large');
    expect(await describeModel('two/small')).toBe('two/small');
    expect(await describeModel('sized')).toBe('one/large');
    expect(await describeModel('auto')).toMatch(/\/small$/);
    // Somebody else's is no name at all.
    await expect(describeModel('mine', other)).rejects.toMatchObject({ code: 'unknown_model' });
    for (const name of ['mine', 'some']) await system.manager.setPreference(me, { name });
  });

  test('fast, smart and code are there without any set-up, and say what they came to', async () => {
    expect(await generate({ model: 'smart' })).toEqual({
      model: 'two/large',
      alias: 'smart',
      said: [
        expect.stringMatching(
          /^two\/large was chosen: the first of 2 that can be asked for the alias smart \(built in\), est\./,
        ),
      ],
    });
    expect(await generate({ model: 'fast' })).toMatchObject({
      alias: 'fast',
      model: expect.stringMatching(/\/small$/),
    });
    expect(await generate({ model: 'code' })).toMatchObject({
      alias: 'code',
      model: expect.stringMatching(/\/large$/),
    });
    const { preferences } = await system.manager.getPreferences(me);
    expect(preferences.map(({ name, scope }) => `${name} ${scope}`)).toEqual(
      expect.arrayContaining(['code built_in', 'fast built_in', 'smart built_in']),
    );
  });

  test('an alias brings its model and its settings; what the request says itself wins', async () => {
    const settings = { temperature: 0.2, maxOutputTokens: 70, system: 'Be brief.' };
    await system.manager.setPreference(me, { name: 'work', models: ['one/small'], settings });
    const { model, alias, said } = await generate({ model: 'work', settings: { maxOutputTokens: 30 } });
    expect({ model, alias }).toEqual({ model: 'one/small', alias: 'work' });
    expect(said).toContain('The alias work (yours) is one/small.');
    expect(lastBody('one')).toMatchObject({ temperature: 0.2, max_tokens: 30 });
    expect(lastBody('one').messages.map(({ role }) => role)).toEqual(['system', 'user']);

    const own = { role: 'system' as const, content: [{ type: 'text' as const, text: 'Be long.' }] };
    await generate({ model: 'work', messages: [own, ...ask('Hello').messages] });
    expect(JSON.stringify(lastBody('one').messages)).toContain('Be long.');
    expect(JSON.stringify(lastBody('one').messages)).not.toContain('Be brief.');
  });

  test('one client’s own hides everybody’s, which hides what is built in, and gives it back when it is removed', async () => {
    await system.manager.setPreference(admin, { name: 'fast', models: ['one/m'], client: '*' });
    await system.manager.setPreference(me, { name: 'fast', models: ['two/n'] });
    expect((await generate({ model: 'fast' })).model).toBe('two/n');
    expect((await generate({ model: 'fast' }, other)).model).toBe('one/m');
    const removed = await system.manager.setPreference(me, { name: 'fast' });
    expect(removed).toMatchObject({ change: 'removed', inForce: { scope: 'everybody', models: ['one/m'] } });
    expect((await generate({ model: 'fast' })).model).toBe('one/m');
    await system.manager.setPreference(admin, { name: 'fast', client: '*' });
    expect((await generate({ model: 'fast' })).model).toMatch(/\/small$/);
    expect(await system.manager.setPreference(me, { name: 'fast' })).toMatchObject({ change: 'none' });
  });

  test('only an admin sets everybody’s, or another client’s', async () => {
    for (const client of ['*', 'other']) {
      await expect(system.manager.setPreference(me, { name: 'mine', models: ['one/m'], client })).rejects.toMatchObject(
        { code: 'permission' },
      );
    }
    await expect(system.manager.getPreferences(me, 'other')).rejects.toMatchObject({ code: 'permission' });
    await system.manager.setPreference(admin, { name: 'theirs', models: ['one/m'], client: 'other' });
    expect((await generate({ model: 'theirs' }, other)).model).toBe('one/m');
    await expect(generate({ model: 'theirs' })).rejects.toMatchObject({
      code: 'unknown_model',
      hint: expect.stringContaining('The aliases are code, fast, smart, work'),
    });
  });

  test('another front knows within a moment, without reading the database for each call', async () => {
    await system.manager.setPreference(me, { name: 'moving', models: ['one/m'] });
    await expect
      .poll(() => generate({ model: 'moving' }, me, front).catch(() => undefined))
      .toMatchObject({ model: 'one/m' });
    await system.manager.setPreference(me, { name: 'moving', models: ['two/m'] });
    // Sooner than what is known grows old.
    await expect
      .poll(async () => (await generate({ model: 'moving' }, me, front)).model, { timeout: 1_500, interval: 20 })
      .toBe('two/m');
  });

  test('of a list the first is asked that can be', async () => {
    await system.manager.setPreference(me, { name: 'listed', models: ['away/m', 'two/small', 'one/small'] });
    expect(await generate({ model: 'listed' })).toMatchObject({
      model: 'two/small',
      said: [expect.stringContaining('the first of 2 that can be asked for the alias listed (yours)')],
    });
    // A route chooses among them.
    const { model } = await generate({ model: 'listed', route: 'cheapest' });
    expect(model).toBe('two/small');
    system.vendors.two.behave((_call, { fail }) => fail(500, { error: { message: 'broken' } }));
    for (const prompt of ['first', 'second']) {
      const { result } = await system.manager.generate(me, { ...ask(prompt), model: 'two/small' });
      await result.catch(() => undefined);
    }
    await expect.poll(async () => (await generate({ model: 'listed' })).model).toBe('one/small');
  });

  test('auto chooses from the list that is set for it', async () => {
    await system.manager.setPreference(other, { name: 'auto', models: ['one/n', 'one/m'] });
    expect(await generate({ model: 'auto' }, other)).toMatchObject({
      model: 'one/n',
      alias: undefined,
      said: expect.arrayContaining([
        expect.stringContaining('the first of 2 that can be asked for the preference auto (yours)'),
      ]),
    });
    expect((await generate({ route: 'strict' }, other)).model).toBe('one/large');
    await system.manager.setPreference(other, { name: 'auto' });
  });

  test('the default is taken where no model is named; its settings hold for every request, under a rule’s', async () => {
    const set = (edit: object) => system.manager.setPreference(other, { name: 'default', ...edit });
    await set({ models: ['one/n'], settings: { temperature: 0.1 } });
    expect(await generate({}, other)).toMatchObject({ model: 'one/n', alias: undefined });
    expect(lastBody('one')).toMatchObject({ temperature: 0.1 });
    await generate({ model: 'one/m' }, other);
    expect(lastBody('one')).toMatchObject({ temperature: 0.1 });
    await generate({ route: 'strict' }, other);
    expect(lastBody('one')).toMatchObject({ temperature: 0.7 });
    await generate({ model: 'one/m', route: 'strict' }, other);
    expect(lastBody('one')).toMatchObject({ model: 'm', temperature: 0.7 });
    await set({ models: ['smart'] });
    expect(await generate({}, other)).toMatchObject({ alias: 'smart', model: 'two/large' });
    // Set anew it is what it is set to: that this takes its model away is told.
    expect((await set({ settings: { maxOutputTokens: 9 } })).warnings).toEqual([
      'default stood for smart until now, and stands for no model any more. Give the model, too, to keep it.',
    ]);
    expect((await set({ settings: { maxOutputTokens: 9 } })).warnings).toEqual([]);
    await generate({ model: 'one/m' }, other);
    expect(lastBody('one')).toMatchObject({ max_tokens: 9 });
    expect((await set({})).change).toBe('removed');
  });

  test('what cannot be a preference is refused, with what would do', async () => {
    const refuse = (edit: { name: string; models?: string[]; settings?: object }) =>
      system.manager.setPreference(me, edit).then(
        () => undefined,
        (error: { code: string; message: string; hint?: string }) =>
          `${error.code}: ${error.message} ${error.hint ?? ''}`,
      );
    expect(await refuse({ name: 'one/small', models: ['two/small'] })).toMatch(
      /^invalid_request: "one\/small" is not a valid name.*always means that model/,
    );
    expect(await refuse({ name: 'Großer Name', models: ['two/small'] })).toMatch(/^invalid_request: /);
    expect(await refuse({ name: 'small', models: ['two/small'] })).toMatch(/means the model one\/small already/);
    expect(await refuse({ name: 'equal', models: ['two/small'] })).toMatch(/means the pool equal/);
    expect(await refuse({ name: 'one', models: ['two/small'] })).toMatch(/means the provider one already/);
    expect(await refuse({ name: 'again', models: ['work'] })).toMatch(
      /"work" is an alias itself.*Name what it stands for: one\/small/,
    );
    expect(await refuse({ name: 'again', models: ['smart'] })).toMatch(/"smart" is an alias itself/);
    expect(await refuse({ name: 'again', models: ['auto'] })).toMatch(/"auto" is an alias itself/);
    for (const models of [
      ['smart', 'one/m'],
      ['one/m', 'auto'],
      ['work', 'smart'],
    ]) {
      expect(await refuse({ name: 'default', models })).toMatch(
        /is an alias itself.*default may be one alias, or several models/,
      );
    }
    expect(await refuse({ name: 'again', models: ['nonsense'] })).toMatch(/^unknown_model: /);
    expect(await refuse({ name: 'again', models: ['one/m', 'one/m'] })).toMatch(/twice/);
    expect(await refuse({ name: 'again', settings: { temperature: 0 } })).toMatch(/has settings, and no model/);
    expect(await refuse({ name: 'again', models: ['one/m'], settings: { temperature: 7 } })).toMatch(/temperature/);
  });

  test('a bare id is kept as its model; what is not configured is told at once, and named when it is asked', async () => {
    const set = await system.manager.setPreference(me, { name: 'gone', models: ['away/m'] });
    expect(set.warnings).toContainEqual(expect.stringContaining('away is not configured'));
    expect((await system.manager.setPreference(me, { name: 'bare', models: ['large'] })).inForce?.models).toEqual([
      'one/large',
    ]);
    await expect(generate({ model: 'gone' })).rejects.toMatchObject({
      code: 'authentication',
      message: expect.stringContaining('It was asked for by the alias gone (yours), which stands for away/m.'),
      hint: expect.stringMatching(/AWAY_API_KEY.*set_preference/),
    });
  });

  test('comparisons take aliases, and their results name alias and model', async () => {
    const { result, models } = await system.manager.compare(me, { ...ask('Compare'), models: ['work', 'one/m'] });
    expect(models).toEqual(['one/small', 'one/m']);
    const { entries } = await result;
    expect(entries.map(({ model, result: answer }) => [model, answer?.alias])).toEqual([
      ['small', 'work'],
      ['m', undefined],
    ]);
    expect(entries[0]?.result?.warnings.map(({ message }) => message)).toContain(
      'The alias work (yours) is one/small.',
    );
    const bodies = system.vendors.one.bodies.slice(-2).map((body) => JSON.parse(body) as Record<string, unknown>);
    expect(bodies.find(({ model }) => model === 'small')).toMatchObject({ temperature: 0.2, max_tokens: 70 });
    expect(bodies.find(({ model }) => model === 'm')).not.toHaveProperty('temperature');
    await expect(
      system.manager.compare(me, { ...ask('Compare'), models: ['work', 'one/small'] }),
    ).rejects.toMatchObject({
      message: 'one/small is in the comparison twice (work and one/small both stand for it).',
    });
  });

  test('fallbacks may be aliases', async () => {
    system.vendors.two.behave((_call, { fail }) => fail(500, { error: { message: 'broken' } }));
    const { result } = await system.manager.generate(me, { ...ask('fall back'), model: 'two/n', fallbacks: ['work'] });
    expect(await result).toMatchObject({ provider: 'one', model: 'small', fallbackFrom: 'two/n' });
  });

  test('estimates cost for whatever a name may come to, and asks nobody', async () => {
    const before = Object.values(system.vendors).map(({ calls }) => calls.length);
    const estimates = await system.manager.estimateCost(me, {
      ...ask('word '.repeat(1_000), { maxOutputTokens: 3_000 }),
      models: ['large', 'fast', 'one/unheard-of', 'work', 'equal'],
    });
    expect(estimates.map(({ asked, model }) => `${asked} ${model}`)).toEqual([
      'fast two/small',
      'fast one/small',
      'work one/small',
      'large one/large',
      'one/unheard-of one/unheard-of',
      'equal one/m',
      'equal two/m',
    ]);
    const [cheapest, , work, large, unknown] = estimates;
    // The alias's own limit is under the request's.
    expect(work).toMatchObject({ alias: 'work', maxOutputTokens: 3_000, expectedOutputTokens: 2_000 });
    expect(large?.inputTokens).toBeGreaterThan(1_000);
    expect(large).toMatchObject({
      expectedNanoUsd: ((large?.inputTokens ?? 0) + 2_000) * 8_000,
      maxNanoUsd: ((large?.inputTokens ?? 0) + 3_000) * 8_000,
      priceVersion: expect.stringContaining('2026-11-22'),
    });
    expect(cheapest?.expectedNanoUsd).toBeLessThan(large?.expectedNanoUsd ?? 0);
    expect(unknown).toMatchObject({
      expectedNanoUsd: null,
      maxNanoUsd: null,
      unpricedBecause: expect.stringContaining('one/unheard-of'),
    });
    const [tiered] = await system.manager.estimateCost(me, { ...ask('hi', { serviceTier: 'odd' }), models: ['large'] });
    expect(tiered).toMatchObject({ expectedNanoUsd: null, maxNanoUsd: null });
    expect(tiered?.unpricedBecause).toContain('one/large in the service tier "odd"');
    expect(Object.values(system.vendors).map(({ calls }) => calls.length)).toEqual(before);
  });

  test('without a database that answers what is built in holds, and that is told', async () => {
    const lonely = await createFront('postgresql://nobody@127.0.0.1:9/none');
    onTestFinished(() => lonely.close());
    const { alias, said } = await generate({ model: 'smart' }, me, lonely);
    expect(alias).toBe('smart');
    expect(said).toContain('The database did not answer: preferences are not known, only what is built in holds.');
    expect((await generate({ model: 'one/small' }, me, lonely)).said).toEqual([]);
    await expect(lonely.setPreference(me, { name: 'x', models: ['one/m'] })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
