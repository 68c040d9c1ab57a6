import { createDatabase } from '@aimm/database';
import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { type RoutedSystem, startRoutedSystem } from '../support/routed-system.ts';
import { ask, me } from '../support/system.ts';
import { echo } from '../support/upstream.ts';

const keyed = { keyRequired: true, cooldown: { minimumFailures: 2, firstSeconds: 60 } };
const priced = (provider: string, id: string, perMillionUsd: number, more: object = {}) => ({
  provider,
  id,
  contextWindow: 50_000,
  capabilities: ['text', 'tools'],
  prices: { inputPerMillionUsd: perMillionUsd, outputPerMillionUsd: perMillionUsd },
  ...more,
});

let system: RoutedSystem<'one' | 'two' | 'away'>;
beforeAll(async () => {
  system = await startRoutedSystem(
    { one: keyed, two: keyed, away: keyed },
    {
      env: { ONE_API_KEY: 'one-key-0123456789', TWO_API_KEY: 'two-key-0123456789' },
      models: [
        priced('one', 'small', 2),
        priced('two', 'small', 1),
        priced('away', 'small', 0),
        priced('one', 'large', 8, { capabilities: ['text', 'tools', 'images'] }),
        priced('two', 'large', 9, { contextWindow: 200_000 }),
      ],
      routing: {
        tiers: { small: ['away/small', 'one/small', 'two/small'], large: ['one/large', 'two/large'] },
        rules: {
          review: { tier: 'large', prefer: 'cheapest', settings: { temperature: 0.5, maxOutputTokens: 100 } },
          cheap: { candidates: ['one/large', 'two/small'], prefer: 'cheapest' },
          extract: {
            tier: 'small',
            settings: { responseFormat: { type: 'json_schema', schema: { $ref: '#/$defs/gone' } } },
          },
        },
      },
    },
  );
});
afterAll(() => system.close());
beforeEach(() => Object.values(system.vendors).forEach((vendor) => vendor.behave(echo)));

const route = async (prompt: string, more: object) => {
  const { result } = await system.manager.generate(me, { ...ask(prompt), model: 'auto', ...more });
  const { provider, model, warnings } = await result;
  const why = warnings.map(({ message }) => message).filter((message) => message.includes('was chosen'));
  return [`${provider}/${model}`, ...why];
};
const demanding = 'Refactor this and prove step by step that it is right: ```js\nfunction a() {}\n```';

test('a small task goes to the cheapest small model that is configured, a demanding one to a large one; one line says why', async () => {
  expect(await route('Hello', { route: 'cheapest' })).toEqual([
    'two/small',
    'two/small was chosen: the cheapest of 2 for a small task (score 0: a short prompt), est. $0.00051.',
  ]);
  expect(await route(demanding, { route: 'cheapest' })).toEqual([
    'one/large',
    expect.stringMatching(
      /^one\/large was chosen: the cheapest of 2 for a large task \(score 6: code, reasoning, design\), est\. \$0\.0042\.$/,
    ),
  ]);
});

test('what the request needs decides before the price', async () => {
  const image = { type: 'image', url: 'data:image/png;base64,iVBORw0KGgo=' };
  const messages = [{ role: 'user', content: [image, { type: 'text', text: 'Which animal?' }] }];
  expect((await route('', { messages, route: 'cheapest' }))[0]).toBe('one/large');
  expect((await route('word '.repeat(60_000), { route: 'cheapest' }))[0]).toBe('two/large');
  await expect(route('word '.repeat(200_000), { route: 'cheapest' })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringMatching(/^No configured model takes what this request needs \(room for its \d+ tokens\)\.$/),
  });
});

test('a rule whose schema cannot be used is refused before anything is asked, unless the request brings its own', async () => {
  const before = Object.values(system.vendors).map(({ calls }) => calls.length);
  const named = { model: 'one/small', route: 'extract' };
  await expect(route('Hello', named)).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('the rule extract'),
  });
  expect(Object.values(system.vendors).map(({ calls }) => calls.length)).toEqual(before);
  const settings = { responseFormat: { type: 'text' } };
  expect(await route('Hello', { ...named, settings })).toEqual(['one/small']);
});

test('a rule chooses by its name, with settings that the request may override', async () => {
  const [model, why] = await route('Hello', { route: 'review', settings: { maxOutputTokens: 50 } });
  expect([model, why]).toEqual([
    'one/large',
    expect.stringMatching(/^one\/large was chosen: the cheapest of 2 by the rule review, est\. \$0\.000\d+\.$/),
  ]);
  expect(JSON.parse(system.vendors.one.bodies.at(-1) ?? '{}')).toMatchObject({ temperature: 0.5, max_tokens: 50 });
  expect((await route('Hello', { route: 'cheap' }))[0]).toBe('two/small');
  await expect(route('Hello', { route: 'chaep' })).rejects.toMatchObject({
    code: 'invalid_request',
    hint: expect.stringContaining('cheapest, fastest, balanced, review, cheap'),
  });
});

test('a rule beside a model that is named brings its settings, and says that it chose nothing', async () => {
  const ruled = { model: 'one/small', route: 'review', settings: { maxOutputTokens: 50 } };
  const [model] = await route('Hello', ruled);
  expect(model).toBe('one/small');
  expect(JSON.parse(system.vendors.one.bodies.at(-1) ?? '{}')).toMatchObject({ temperature: 0.5, max_tokens: 50 });
  const { result } = await system.manager.generate(me, { ...ask('Hello'), ...ruled });
  expect((await result).warnings.map(({ message }) => message)).toContain(
    'The route review chose nothing: a model was named.',
  );
  await expect(route('Hello', { model: 'one/small', route: 'chaep' })).rejects.toMatchObject({
    code: 'invalid_request',
    hint: expect.stringContaining('cheapest, fastest, balanced, review, cheap'),
  });
});

describe('the fastest', () => {
  test('is the one that was measured so: its first token and its pace, for an answer of this length', async () => {
    const database = await createDatabase({ url: system.env['DATABASE_URL'] ?? '' });
    onTestFinished(() => database.close());
    const startedAt = Date.now();
    const rows = (['one', 'two'] as const).flatMap((provider) =>
      Array.from({ length: 15 }, (_, call) =>
        createLedgerRow({
          requestId: `gen_${provider}_${call}`,
          provider,
          model: 'large',
          startedAt,
          // One begins late and is quick then, the other begins at once and takes its time.
          firstTokenMs: provider === 'one' ? 2_000 : 100,
          providerMs: provider === 'one' ? 3_000 : 10_100,
          outputTokens: 500,
        }),
      ),
    );
    await database.ledger.record(rows);
    const options = await createOptions();
    const fresh = await createManager({ ...options, databaseUrl: system.env['DATABASE_URL'] ?? '' });
    onTestFinished(() => fresh.close());
    const chosen = async (maxOutputTokens: number) => {
      const { result } = await fresh.generate(me, {
        ...ask(demanding, { maxOutputTokens }),
        model: 'auto',
        route: 'fastest',
      });
      const { provider, warnings } = await result;
      return [provider, warnings.map(({ message }) => message).find((message) => message.includes('was chosen'))];
    };
    expect(await chosen(1_000)).toEqual(['one', expect.stringMatching(/the fastest measured of 2 .*, 4\.0 s\.$/)]);
    expect(await chosen(10)).toEqual(['two', expect.stringMatching(/the fastest measured of 2 .*, 0\.3 s\.$/)]);
  });

  test('is the first of the list where the ledger cannot be asked, and that is told', async () => {
    const fresh = await createManager({
      ...(await createOptions()),
      databaseUrl: 'postgresql://nobody@127.0.0.1:9/none',
    });
    onTestFinished(() => fresh.close());
    const { result } = await fresh.generate(me, { ...ask(demanding), model: 'auto', route: 'fastest' });
    const { provider, warnings } = await result;
    expect(provider).toBe('one');
    expect(warnings.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        'The ledger could not be asked how fast the models are: none counts as measured.',
        expect.stringMatching(/^one\/large was chosen: the first unmeasured of 2 for a large task /),
      ]),
    );
  });

  async function createOptions() {
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const { REDIS_URL: redisUrl = '', AIMM_CONFIG_DIR: configDir } = system.env;
    return { redisUrl, configDir, raw: system.env, logger };
  }
});

test('what is set aside is chosen last', async () => {
  system.vendors.two.behave((_call, { fail }) => fail(500, { error: { message: 'broken' } }));
  for (const prompt of ['first', 'second']) {
    const { result } = await system.manager.generate(me, { ...ask(prompt), model: 'two/small' });
    await result.catch(() => undefined);
  }
  await expect.poll(async () => (await route('Hello', { route: 'cheapest' }))[0]).toBe('one/small');
});
