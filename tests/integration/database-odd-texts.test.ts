import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

describe.each(databaseKinds)('what clients may write, on %s', (kind) => {
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind) });
  });
  afterAll(() => database.close());

  const say = (last: string, title: string) =>
    database.conversations.appendTurn({
      id: `conv_0198c0de-0000-7000-8000-${last.padStart(12, '0')}`,
      client: 'ada',
      title,
      version: 0,
      messages: [{ message: { role: 'user', content: [{ type: 'text', text: title }] }, createdAt: 1 }],
    });

  it.each([
    ['a\0', 'a'],
    ['a\ud800b', 'a\ufffdb'],
    ['👩‍👩‍👧 \u202eعربى', '👩‍👩‍👧 \u202eعربى'],
  ])('titles a conversation that begins with %j', async (title, stored) => {
    expect((await say(String(title.length), title)).title).toBe(stored);
  });

  it('takes U+0000 in the name, the model and the variant of a batch', async () => {
    const id = 'bat_0198c0de-0000-7000-8000-000000000001';
    const spec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
    const template = { settings: {}, attempts: 1, timeoutMs: 1, warnings: [], expectedNanoUsd: null };
    const column = { number: 0, provider: 'openai', model: 'm\0', lane: 'queue' as const, variant: 'v\0', template };
    await database.batches.create({ id, client: 'ada', name: 'x\0y', spec }, [column]);
    expect((await database.batches.find(id))?.name).toBe('xy');
    expect(await database.batches.columns(id)).toMatchObject([{ model: 'm', variant: 'v' }]);
  });

  it('finds nothing, or what is stored without it, where U+0000 is looked for', async () => {
    expect(await database.conversations.find('conv_\0')).toBeUndefined();
    expect(await database.conversations.list({ begins: 'conv_x\0', limit: 3 })).toEqual([]);
    const asked = { from: 0, to: 10_000, provider: 'p\0', model: 'm\0', client: 'c\0', tag: 't\0' };
    expect((await database.ledger.summarize(asked)).totals.calls).toBe(0);
  });

  it('adds up more than numbers hold exactly, of single rows and of roll-ups', async () => {
    const row = {
      callNumber: 1,
      provider: 'p',
      model: 'm',
      status: 'succeeded' as const,
      client: 'ada',
      tags: [],
      lane: 'interactive' as const,
      estimated: false,
      cached: false,
      demo: false,
      startedAt: 1_000,
      costNanoUsd: Number.MAX_SAFE_INTEGER,
    };
    const ids = [1, 2, 3].map((number) => `gen_0198c0de-0000-7000-8000-00000000000${number}`);
    await database.ledger.record(ids.map((requestId) => ({ ...row, requestId })));
    const read = async () =>
      (await database.ledger.summarize({ from: 0, to: 900_000, groupBy: 'model' })).groups[0]?.costNanoUsd;
    expect(await read()).toBe(3 * Number.MAX_SAFE_INTEGER);
    await database.ledger.rollUp({ limit: 100, unknownBefore: 0 });
    expect(await read()).toBe(3 * Number.MAX_SAFE_INTEGER);
  });
});

describe.each(databaseKinds)('a search for words that stand in other texts, on %s', (kind) => {
  const said =
    'Use openai/gpt-5-mini, see https://www.example.com/docs/foo.html or write to me@server.de. A café: TCP/IP, 3.14, c++, 日本, ' +
    'https://docs.example.org/en/latest/a-rather-long-path/of-many-words/behind-it.html#and-a-part-of-it ' +
    'Straße, snake_case, #42, don’t, 192.168.1.1; fin';
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind) });
    await database.conversations.appendTurn({
      id: 'conv_0198c0de-0000-7000-8000-000000000001',
      client: 'ada',
      title: 't',
      version: 0,
      messages: [{ message: { role: 'user', content: [{ type: 'text', text: said }] }, createdAt: 1 }],
    });
  });
  afterAll(() => database.close());

  it.each([
    'openai/gpt-5',
    'gpt',
    'gpt-5*',
    'mini',
    'example',
    'docs/foo',
    'https://docs.example.org/en/latest/a-rather-long-path/of-many-words/behind-it.html#and-a-part-of-it',
    'server',
    'cafe',
    'CAFÉ',
    'tcp',
    '3.14',
    'c++',
    '日本',
    'straße',
    'case',
    'snake_case',
    '42',
    "don't",
    '192.168',
    'fin',
  ])('finds %s, and shows it', async (word) => {
    const [found] = await database.conversations.list({ search: word, limit: 3 });
    expect(found?.snippet).toContain('**');
  });

  it.each(['gpt-6', 'foo/docs', '5-gpt', 'erver', 'min'])('does not find %s', async (word) => {
    expect(await database.conversations.list({ search: word, limit: 3 })).toEqual([]);
  });
});
