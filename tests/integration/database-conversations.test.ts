import type { ConversationMessage } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const question = (text: string) => ({
  message: { role: 'user' as const, content: [{ type: 'text' as const, text }] },
  createdAt: 1_000,
});
const answer = (text: string): Omit<ConversationMessage, 'position'> => ({
  message: { role: 'assistant', content: [{ type: 'text', text }] },
  model: 'openai/gpt-5-mini',
  requestId: 'gen_1',
  costNanoUsd: 5,
  createdAt: 2_000,
});

describe.each(databaseKinds)('conversations on %s', (kind) => {
  let database: Database;
  let clock = 10_000;
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind), now: () => clock });
  });
  afterAll(() => database.close());

  const append = (id: string, version: number, messages: Omit<ConversationMessage, 'position'>[]) =>
    database.conversations.appendTurn({ id, client: 'tests', title: 'On foxes', version, messages });

  it('begin with their first turn and grow by one version per turn', async () => {
    const begun = await append('conv_grow', 0, [question('one'), answer('two')]);
    const born = {
      id: 'conv_grow',
      client: 'tests',
      title: 'On foxes',
      version: 1,
      createdAt: 10_000,
      updatedAt: 10_000,
    };
    expect(begun).toEqual(born);
    clock = 20_000;
    expect(await append('conv_grow', 1, [question('three')])).toEqual({ ...born, version: 2, updatedAt: 20_000 });
    expect(await database.conversations.find('conv_grow')).toEqual({ ...born, version: 2, updatedAt: 20_000 });
    expect(await database.conversations.messages('conv_grow')).toEqual([
      { position: 0, ...question('one') },
      { position: 1, ...answer('two') },
      { position: 2, ...question('three') },
    ]);
  });

  it('hand out their messages page by page', async () => {
    await append('conv_pages', 0, ['a', 'b', 'c', 'd'].map(question));
    const first = await database.conversations.messages('conv_pages', { limit: 3 });
    expect(first.map((message) => message.position)).toEqual([0, 1, 2]);
    const rest = await database.conversations.messages('conv_pages', { after: 2, limit: 3 });
    expect(rest.map((message) => message.position)).toEqual([3]);
  });

  it('that nobody began are not found', async () => {
    expect(await database.conversations.find('conv_none')).toBeUndefined();
    expect(await database.conversations.messages('conv_none')).toEqual([]);
  });

  it.each([0, 1, 3])(
    'refuse a turn that follows version %i when they are at 2, and stay as they were',
    async (seen) => {
      const id = `conv_conflict_${seen}`;
      await append(id, 0, [question('one')]);
      await append(id, 1, [question('two')]);
      await expect(append(id, seen, [question('lost')])).rejects.toMatchObject({
        code: 'invalid_request',
        hint: expect.stringContaining('read the conversation again'),
      });
      expect(await database.conversations.messages(id)).toHaveLength(2);
    },
  );

  it('take one of many turns that follow the same version', async () => {
    for (const version of [0, 1]) {
      const turns = Array.from({ length: 8 }, (_, index) => append('conv_race', version, [question(`try ${index}`)]));
      const settled = await Promise.allSettled(turns);
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await database.conversations.messages('conv_race')).toHaveLength(version + 1);
    }
  });

  it('say of an answer that its price is unknown, and nothing of a question', async () => {
    await append('conv_price', 0, [question('one'), { ...answer('two'), costNanoUsd: null }]);
    const [asked, answered] = await database.conversations.messages('conv_price');
    expect(asked).not.toHaveProperty('costNanoUsd');
    expect(answered?.costNanoUsd).toBeNull();
  });

  it('keep every kind of message part, and text that one of the databases would refuse', async () => {
    const message: ConversationMessage['message'] = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hm', signature: 'c2ln', vendor: { nested: [1, null, { deep: true }] } },
        { type: 'tool_call', id: 'call_1', name: 'search', arguments: { query: 'foxes', limit: 3 } },
        { type: 'text', text: 'cut off \ud83d\0' },
      ],
    };
    await append('conv_parts', 0, [{ message, createdAt: 1 }]);
    const [stored] = await database.conversations.messages('conv_parts');
    expect(stored?.message.content.slice(0, 2)).toEqual(message.content.slice(0, 2));
    expect(stored?.message.content[2]).toEqual({ type: 'text', text: 'cut off \ufffd' });
  });
});
