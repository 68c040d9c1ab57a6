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

  it('keep what an answer used', async () => {
    const usage = { inputTokens: 12, outputTokens: 3, totalTokens: 15 };
    await append('conv_usage', 0, [question('one'), { ...answer('two'), usage }]);
    const [asked, answered] = await database.conversations.messages('conv_usage');
    expect(asked).not.toHaveProperty('usage');
    expect(answered?.usage).toEqual(usage);
  });

  it('take the turn of a request once, however often it comes and whatever came after it', async () => {
    const turn = (requestId: string, version: number) => ({
      id: 'conv_again',
      client: 'tests',
      title: 'On foxes',
      version,
      requestId,
      messages: [question('asked'), { ...answer('answered'), requestId }],
    });
    for (let time = 0; time < 2; time += 1) await database.conversations.appendTurn(turn('gen_a', 0));
    await database.conversations.appendTurn(turn('gen_b', 1));
    const known = await database.conversations.appendTurn(turn('gen_a', 0));
    expect(known.version).toBe(2);
    await Promise.all([1, 2, 3].map(() => database.conversations.appendTurn(turn('gen_c', 2))));
    expect(await database.conversations.messages('conv_again')).toHaveLength(6);
    await expect(database.conversations.appendTurn(turn('gen_d', 2))).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('give their next turn to one of many who want it, until it is added or given back', async () => {
    const { conversations } = database;
    const claim = (requestId: string, version: number, from?: string) =>
      conversations.claimTurn({ id: 'conv_claim', version, requestId, from });
    expect(await claim('gen_0', 1)).toEqual({ state: 'missing' });
    await append('conv_claim', 0, [question('one')]);
    clock = 50_000;
    const claims = await Promise.all(['gen_1', 'gen_2', 'gen_3', 'gen_4'].map((id) => claim(id, 1)));
    const winners = claims.flatMap(({ state }, index) => (state === 'claimed' ? [`gen_${index + 1}`] : []));
    expect(winners).toHaveLength(1);
    const [winner = ''] = winners;
    expect(await claim('gen_5', 1)).toEqual({ state: 'held', by: winner, since: 50_000 });
    expect(await claim('gen_5', 1, 'gen_other')).toEqual({ state: 'held', by: winner, since: 50_000 });
    expect(await claim('gen_5', 1, winner)).toEqual({ state: 'claimed' });
    await conversations.releaseTurn('conv_claim', winner);
    expect(await claim('gen_6', 1)).toMatchObject({ state: 'held', by: 'gen_5' });
    await conversations.releaseTurn('conv_claim', 'gen_5');
    expect(await claim('gen_6', 1)).toEqual({ state: 'claimed' });
    await append('conv_claim', 1, [question('two')]);
    expect(await claim('gen_7', 1)).toEqual({ state: 'moved' });
    expect(await claim('gen_7', 2)).toEqual({ state: 'claimed' });
  });

  it('are read back as far as wanted, with every system message', async () => {
    const system = {
      message: { role: 'system' as const, content: [{ type: 'text' as const, text: 'Be brief' }] },
      createdAt: 1,
    };
    await append('conv_recent', 0, [system, ...Array.from({ length: 1_200 }, (_, index) => question(`q ${index}`))]);
    const some = await database.conversations.recent('conv_recent', { from: 0, maxChars: 10 });
    expect(some.system.map(({ position }) => position)).toEqual([0]);
    expect([some.messages.length, some.messages.at(-1)?.position, some.leftOut]).toEqual([500, 1_200, 700]);
    const all = await database.conversations.recent('conv_recent', { from: 0, maxChars: 1e9 });
    expect([all.system.length, all.messages.length, all.leftOut]).toEqual([0, 1_201, 0]);
    const tail = await database.conversations.recent('conv_recent', { from: 1_190, maxChars: 1e9 });
    expect([tail.system.length, tail.messages.length, tail.leftOut]).toEqual([1, 11, 0]);
  });

  it('keep the summary that reaches furthest', async () => {
    const { conversations } = database;
    await append('conv_summary', 0, [question('one')]);
    expect(await conversations.find('conv_summary')).not.toHaveProperty('summary');
    await conversations.keepSummary('conv_summary', { text: 'long', until: 8 });
    await conversations.keepSummary('conv_summary', { text: 'short', until: 4 });
    expect(await conversations.find('conv_summary')).toMatchObject({ summary: { text: 'long', until: 8 } });
  });
});
