import { createDatabase, type Database } from '@aimm/database';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createRandom } from '../support/seeded-random.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

describe.each(databaseKinds)('finding conversations on %s', (kind) => {
  let database: Database;
  let url = '';
  let clock = 1_000;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    database = await createDatabase({ url, now: () => (clock += 1_000) });
    await say(
      'conv_0198c0de-0000-7000-8000-000000000001',
      'ada',
      'How do foxes hunt in deep snow?',
      'By ear: Füchse hören gut.',
    );
    await say(
      'conv_0198c0de-0000-7000-8000-000000000002',
      'ada',
      'A recipe for plum cake, please',
      "Grandma's: butter and plums",
    );
    await say('conv_0198c0de-0000-7000-8000-000000000003', 'bob', 'Do foxes eat plums?', 'Gladly.');
  });
  afterAll(() => database.close());

  const text = (words: string) => [{ type: 'text' as const, text: words }];
  async function say(id: string, client: string, question: string, answer: string, version = 0) {
    await database.conversations.appendTurn({
      id,
      client,
      title: question,
      version,
      messages: [
        { message: { role: 'user', content: text(question) }, createdAt: 1 },
        { message: { role: 'assistant', content: text(answer) }, model: 'a/b', requestId: 'gen_1', createdAt: 2 },
      ],
    });
  }
  const last = (found: { id: string }[]) => found.map(({ id }) => Number(id.at(-1)));
  const search = async (words: string, client?: string) =>
    last(await database.conversations.list({ search: words, client, limit: 10 }));

  it('lists the newest first, of one client or of all', async () => {
    expect(last(await database.conversations.list({ limit: 10 }))).toEqual([3, 2, 1]);
    expect(last(await database.conversations.list({ client: 'ada', limit: 10 }))).toEqual([2, 1]);
    expect(last(await database.conversations.list({ client: 'nobody', limit: 10 }))).toEqual([]);
  });

  it('finds ids by how they begin, however many are newer', async () => {
    const begun = (begins: string, client?: string) => database.conversations.list({ begins, client, limit: 1 });
    const id = 'conv_0198c0de-0000-7000-8000-000000000001';
    expect(last(await begun(id))).toEqual([1]);
    expect(last(await begun('conv_0198c0de-0000-7000-8000-0000'))).toEqual([3]);
    expect([await begun(id, 'bob'), await begun('CONV_'), await begun('%')]).toEqual([[], [], []]);
  });

  it('goes on behind the last one of a page, also among those of one moment', async () => {
    const [first] = await database.conversations.list({ limit: 1 });
    expect(last(await database.conversations.list({ limit: 1, after: first }))).toEqual([2]);
    clock = 500_000;
    const still = await createDatabase({ url, now: () => 600_000 });
    const ids = ['a', 'b', 'c'].map((letter) => `conv_0198c0de-0000-7000-8000-00000000000${letter}`);
    for (const id of ids) {
      await still.conversations.appendTurn({ id, client: 'tie', title: id, version: 0, messages: [] });
    }
    await still.close();
    const seen: string[] = [];
    for (let after: Awaited<ReturnType<Database['conversations']['list']>>[number] | undefined; ;) {
      [after] = await database.conversations.list({ client: 'tie', limit: 1, after });
      if (after === undefined) break;
      seen.push(after.id);
    }
    expect(seen).toEqual(ids.toReversed());
  });

  it('finds what was asked and what was answered, whatever the case, with all of the words', async () => {
    expect(await search('foxes')).toEqual([3, 1]);
    expect(await search('SNOW deep')).toEqual([1]);
    expect(await search('foxes cake')).toEqual([]);
    expect(await search('foxes', 'ada')).toEqual([1]);
    expect(await search('gladly')).toEqual([3]);
    expect(await search('hören')).toEqual([1]);
  });

  it('finds words that only begin so where a star says it', async () => {
    expect(await search('plu*')).toEqual([3, 2]);
    expect(await search('deep sno*')).toEqual([1]);
    expect(await search('sno* deep')).toEqual([1]);
    expect([await search('plu'), await search('pl*'), await search('p*', 'bob')]).toEqual([[], [3, 2], [3]]);
    expect(await search("grandma's but* PLU*")).toEqual([2]);
    const [found] = await database.conversations.list({ search: 'butt*', limit: 1 });
    expect(found?.snippet).toContain('**butter** and plums');
  });

  it('shows where the words are', async () => {
    const [found] = await database.conversations.list({ search: 'butter', limit: 1 });
    expect(found?.snippet).toContain('**butter** and plums');
  });

  it.each([
    '"',
    "'",
    '*',
    '(',
    'AND',
    'NOT foxes',
    '"foxes',
    'a:b',
    '\\',
    "it's",
    '!!!',
    '^x',
    'NEAR(',
    ':*',
    '& |',
    '\0',
    '\ud83d',
    '-',
    'x'.repeat(9_999),
  ])('takes %j as text', async (odd) => {
    expect(Array.isArray(await search(odd))).toBe(true);
  });

  it('finds words with apostrophes in them as they stand', async () => {
    expect(await search("grandma's")).toEqual([2]);
    expect(await search('grandma\'s "butter"')).toEqual([2]);
  });

  it('finds nothing of what was deleted, and keeps the rest', async () => {
    const id = 'conv_0198c0de-0000-7000-8000-000000000009';
    await say(id, 'ada', 'About badgers', 'They dig.');
    await say(id, 'ada', 'And moles?', 'Too.', 1);
    expect(await search('badgers')).toEqual([9]);
    expect(await database.conversations.remove(id)).toBe(true);
    expect(await database.conversations.remove(id)).toBe(false);
    expect([await search('badgers'), await search('moles'), await search('foxes')]).toEqual([[], [], [3, 1]]);
    expect(await database.conversations.messages(id)).toEqual([]);
  });

  it('finds the newest of very many that match, and those of a client whose are far down', async () => {
    await say('conv_0198c0de-0000-7000-8000-00000000000d', 'carol', 'the common word', 'yes');
    for (let index = 0; index < 60; index += 1) {
      const messages = Array.from({ length: 100 }, (_, position) => ({
        message: { role: 'user' as const, content: text(`common ${index} ${position}`) },
        createdAt: 1,
      }));
      await database.conversations.appendTurn({
        id: `conv_0198c0de-0000-7000-8000-0000000001${String(index).padStart(2, '0')}`,
        client: 'many',
        title: 'many',
        version: 0,
        messages,
      });
    }
    const newest = await database.conversations.list({ search: 'common', limit: 3 });
    expect(newest.map(({ id }) => id.slice(-3))).toEqual(['159', '158', '157']);
    expect(newest[0]?.snippet).toContain('**common** 59 99');
    const begun = { search: 'comm*', limit: 3 };
    expect((await database.conversations.list(begun)).map(({ id }) => id)).toEqual(newest.map(({ id }) => id));
    const further = await database.conversations.list({ ...begun, after: newest.at(-1) });
    expect(further.map(({ id }) => id.slice(-3))).toEqual(['156', '155', '154']);
    const farDown = await database.conversations.list({ ...begun, client: 'carol' });
    expect(farDown.map(({ id }) => id.at(-1))).toEqual(['d']);
    expect(
      (await database.conversations.list({ search: 'common', client: 'carol', limit: 3 })).map(({ id }) => id.at(-1)),
    ).toEqual(['d']);
  });
});

describe.each(databaseKinds)('what only begins so on %s', (kind) => {
  it('is found wherever it is: in the newest, far down, early in long ones, of one client, page by page', async () => {
    let clock = 0;
    const database = await createDatabase({ url: await createEmptyDatabase(kind), now: () => (clock += 1) });
    onTestFinished(() => database.close());
    const random = createRandom();
    const pick = <Item>(items: readonly Item[]) => items[Math.floor(random.between(0, items.length))] as Item;
    const [lengths, vocabulary] = [
      [1, 1, 2, 12],
      ['apple', 'apricot', 'banana', 'berry', 'bilberry', 'cherry', 'citron'],
    ];
    const said: { id: string; client: string; texts: string[] }[] = [];
    for (let index = 0; index < 256; index += 1) {
      // The oldest alone have a word that no other has.
      const texts = Array.from(
        { length: pick(lengths) },
        (_, position) => `${pick(vocabulary)}, ${index < 3 && position === 0 ? 'no durian' : 'no'}`,
      );
      const one = {
        id: `conv_00000000-0000-7000-8000-${String(index).padStart(12, '0')}`,
        client: index % 3 === 0 ? 'a' : 'b',
        texts,
      };
      said.unshift(one);
      const messages = texts.map((text) => ({
        message: { role: 'user' as const, content: [{ type: 'text' as const, text }] },
        createdAt: 1,
      }));
      await database.conversations.appendTurn({ id: one.id, client: one.client, title: 't', version: 0, messages });
    }
    const listAll = async (search: string, client?: string) => {
      const ids: string[] = [];
      for (let after: { id: string; updatedAt: number } | undefined; ;) {
        const page = await database.conversations.list({ search, client, limit: 40, after });
        ids.push(...page.map(({ id }) => id));
        after = page.at(-1);
        if (page.length < 40) return ids;
      }
    };
    for (const [search, pattern] of [
      ['a*', /\ba/],
      ['ap*', /\bap/],
      ['bil*', /\bbil/],
      ['du*', /\bdu/],
      ['no c*', /\bc/],
      ['e*', /\be/],
    ] as const)
      for (const client of [undefined, 'a']) {
        const wanted = said.filter(
          (one) => (client ?? one.client) === one.client && one.texts.some((text) => pattern.test(text)),
        );
        expect([search, await listAll(search, client)]).toEqual([search, wanted.map(({ id }) => id)]);
      }
  });
});

it('an SQLite file is searched as before after VACUUM', async () => {
  const url = await createEmptyDatabase('sqlite');
  const database = await createDatabase({ url });
  const add = (id: string, words: string) =>
    database.conversations.appendTurn({
      id,
      client: 'c',
      title: 't',
      version: 0,
      messages: [{ message: { role: 'user', content: [{ type: 'text', text: words }] }, createdAt: 1 }],
    });
  await add('conv_00000000-0000-0000-0000-000000000001', 'first');
  await add('conv_00000000-0000-0000-0000-000000000002', 'second');
  await database.conversations.remove('conv_00000000-0000-0000-0000-000000000001');
  const file = new Sqlite(url.slice('file:'.length));
  file.exec('VACUUM');
  file.close();
  await add('conv_00000000-0000-0000-0000-000000000003', 'third');
  const found = await database.conversations.list({ search: 'second', limit: 5 });
  expect(found.map(({ id }) => id.at(-1))).toEqual(['2']);
  await database.close();
});
