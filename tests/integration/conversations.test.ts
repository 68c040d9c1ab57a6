import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConversationMessage } from '@aimm/contracts';
import { createDatabase } from '@aimm/database';
import { createManager, type GenerateAsk, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ask, me, startSystem, type System } from '../support/system.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

const any = 'mistral/mistral-small-latest';
/** Windows of 1,000 and 4,000 tokens. */
const [tiny, larger] = ['mistral/ministral-3b-2512', 'mistral/ministral-8b-2512'];
const admin = { client: 'root', admin: true };

interface SentMessage {
  role: string;
  content: string | { text: string }[];
}

function writeConfig(): string {
  const dir = mkdtempSync(join(tmpdir(), 'aimm-config-'));
  cpSync(fileURLToPath(new URL('../../config', import.meta.url)), dir, { recursive: true });
  const file = join(dir, 'models.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as { models: { id: string; contextWindow?: number }[] };
  const windows: Record<string, number> = { 'ministral-3b-2512': 1_000, 'ministral-8b-2512': 4_000 };
  for (const model of config.models) model.contextWindow = windows[model.id] ?? model.contextWindow;
  writeFileSync(file, JSON.stringify(config));
  return dir;
}

describe.each(databaseKinds)('conversations kept in %s', (kind) => {
  let system: System;
  let other: Manager;
  let configDir: string;
  beforeAll(async () => {
    configDir = writeConfig();
    system = await startSystem({ DATABASE_URL: await createEmptyDatabase(kind), AIMM_CONFIG_DIR: configDir });
    other = await openFront();
  });
  afterAll(async () => {
    await other.close();
    await system.close();
    rmSync(configDir, { recursive: true, force: true });
  });
  afterEach(() => {
    system.upstream.release();
    system.upstream.behave(echo);
  });

  async function openFront(): Promise<Manager> {
    return createManager({
      redisUrl: system.redis.url,
      databaseUrl: system.env['DATABASE_URL'] ?? '',
      configDir,
      raw: system.env,
      logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
    });
  }
  const say = async (front: Manager, text: string, more: Partial<GenerateAsk> = {}) => {
    const { result } = await front.generate(me, { ...ask(text), model: any, ...more });
    return result;
  };
  const begin = async (text: string) =>
    (await say(system.manager, text, { saveConversation: true })).conversationId ?? '';
  const textOf = ({ message }: ConversationMessage) =>
    message.content.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('');
  const readAll = async (id: string) => (await system.manager.getConversation(admin, id, { limit: 1_000 })).messages;
  /** What the upstream was sent last, message by message. */
  const sent = () => {
    const { messages } = JSON.parse(system.upstream.bodies.at(-1) ?? '{}') as { messages: SentMessage[] };
    return messages.map(({ role, content }) =>
      [role, typeof content === 'string' ? content : content.map(({ text }) => text).join('')].join(': '),
    );
  };

  test('go on from another front, with another model, and keep parts, model, tokens and cost of each answer', async () => {
    const id = await begin('my name is Ada');
    const answer = await say(other, 'and what is it?', { conversationId: id, model: larger });
    expect(answer.conversationId).toBe(id);
    expect(sent()).toEqual(['user: my name is Ada', 'assistant: echo: my name is Ada', 'user: and what is it?']);
    const { conversation, messages } = await other.getConversation(me, id);
    expect(conversation).toMatchObject({ client: 'me', title: 'my name is Ada', version: 2 });
    expect(messages.map(textOf)).toEqual([
      'my name is Ada',
      'echo: my name is Ada',
      'and what is it?',
      'echo: and what is it?',
    ]);
    expect(messages[3]).toMatchObject({
      model: larger,
      requestId: answer.requestId,
      costNanoUsd: answer.costNanoUsd,
      usage: { inputTokens: 10, outputTokens: 5 },
    });
  });

  test.each([
    ['\0', 'Conversation'],
    ['a\0 \ud83d', 'a \ufffd'],
  ])('that begin with %j are there and have a title', async (text, title) => {
    const { conversation, messages } = await system.manager.getConversation(me, await begin(text));
    expect(conversation.title).toBe(title);
    expect(messages).toHaveLength(2);
  });

  test('of twenty turns that two fronts race for have every turn that was accepted, once, whole and in order', async () => {
    const id = await begin('turn 0');
    const accepted: string[] = ['turn 0'];
    const refusals: unknown[] = [];
    for (let round = 1; round <= 20; round += 1) {
      const both = await Promise.allSettled(
        [system.manager, other].map((front, side) => say(front, `turn ${round}.${side}`, { conversationId: id })),
      );
      both.forEach((settled, side) => {
        if (settled.status === 'fulfilled') accepted.push(`turn ${round}.${side}`);
        else {
          refusals.push(settled.reason);
        }
      });
    }
    const texts = (await readAll(id)).map(textOf);
    expect(texts.filter((_, index) => index % 2 === 0).toSorted()).toEqual(accepted.toSorted());
    const answers = texts.filter((_, index) => index % 2 === 1);
    expect(answers).toEqual(answers.map((_, turn) => `echo: ${texts[2 * turn]}`));
    expect(refusals.length).toBeGreaterThan(0);
    const refusal = { code: 'invalid_request', hint: expect.stringContaining('get_job') };
    expect(refusals).toEqual(refusals.map(() => expect.objectContaining(refusal)));
    // What was refused was not asked, so nobody pays for it.
    const calls = system.upstream.calls.filter(({ prompt }) => prompt.startsWith('turn '));
    expect(calls).toHaveLength(accepted.length);
  });

  test('are free again when the request that had the turn failed, was cancelled, or never was', async () => {
    const id = await begin('start');
    system.upstream.behave((_call, { fail }) => fail(400, { message: 'no' }));
    await expect(say(system.manager, 'fails', { conversationId: id })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    system.upstream.behave(({ prompt }, tools) => (prompt === 'hangs' ? tools.held : echo({ prompt } as never, tools)));
    const hanging = await system.manager.generate(me, { ...ask('hangs'), model: any, conversationId: id });
    await expect(say(other, 'too early', { conversationId: id })).rejects.toMatchObject({
      hint: expect.stringContaining(hanging.requestId),
    });
    await system.manager.cancelJob(me, hanging.requestId);
    await expect(hanging.result).rejects.toMatchObject({ code: 'cancelled' });
    await expect(
      say(system.manager, 'no such model', { conversationId: id, model: 'nobody/none' }),
    ).rejects.toMatchObject({ code: 'unknown_model' });
    const last = await say(other, 'goes on', { conversationId: id });
    expect(last.warnings.filter(({ message }) => message.includes('turn'))).toEqual([]);
    expect((await readAll(id)).map(textOf)).toEqual(['start', 'echo: start', 'goes on', 'echo: goes on']);
  });

  test('whose turn a front took that died before it queued anything are free again after ten seconds', async () => {
    const id = await begin('start');
    const takenAt = Date.now();
    const database = await createDatabase({ url: system.env['DATABASE_URL'] ?? '', now: () => takenAt - 9_500 });
    const requestId = 'gen_0198c0de-0000-7000-8000-00000000dead';
    expect(await database.conversations.claimTurn({ id, version: 1, requestId })).toEqual({ state: 'claimed' });
    await database.close();
    await expect(say(other, 'too early', { conversationId: id })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect
      .poll(() => say(other, 'now', { conversationId: id }).catch(({ message }: Error) => message), { timeout: 5_000 })
      .toMatchObject({ text: 'echo: now' });
  });

  test('have the answer that nobody waited for, and say so in the job', async () => {
    const accepted = await system.manager.generate(me, { ...ask('left alone'), model: any, saveConversation: true });
    await system.manager.getJob(me, accepted.requestId, { waitMs: 5_000 });
    const view = await other.getJob(me, accepted.requestId);
    expect(view.generation?.conversationId).toBe(accepted.conversationId);
    await say(other, 'second', { conversationId: accepted.conversationId }).catch(() => undefined);
    await expect.poll(async () => (await readAll(accepted.conversationId ?? '')).length).toBeGreaterThanOrEqual(2);
  });

  test('take answers from the cache, and shared ones, as turns of their own', async () => {
    const first = await say(system.manager, 'the same to both', { saveConversation: true, cache: true });
    const second = await say(other, 'the same to both', { saveConversation: true, cache: true });
    expect([first.cached, second.cached]).toEqual([false, true]);
    expect(second.conversationId).not.toBe(first.conversationId);
    const [, answer] = await readAll(second.conversationId ?? '');
    expect(answer).toMatchObject({ requestId: second.requestId, costNanoUsd: 0 });

    system.upstream.behave(async (call, tools) => {
      await tools.held;
      await echo(call, tools);
    });
    const shared = [system.manager, other].map((front) =>
      front.generate(me, { ...ask('asked at once'), model: any, cache: true, saveConversation: true }),
    );
    const accepted = await Promise.all(shared);
    await expect.poll(() => system.upstream.calls.filter(({ prompt }) => prompt === 'asked at once').length).toBe(1);
    system.upstream.release();
    const answers = await Promise.all(accepted.map(({ result }) => result));
    expect(answers.filter(({ cached }) => cached)).toHaveLength(1);
    for (const { conversationId = '' } of answers) {
      expect((await readAll(conversationId)).map(textOf)).toEqual(['asked at once', 'echo: asked at once']);
    }
  });

  /** Twelve turns of some 130 tokens each. */
  async function talkLong(): Promise<string> {
    const filler = 'the quick brown fox jumps over the lazy dog '.repeat(6);
    const first = await system.manager.generate(me, {
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be kind.' }] },
        { role: 'user', content: [{ type: 'text', text: `q0 ${filler}` }] },
      ],
      settings: {},
      model: any,
      saveConversation: true,
    });
    const { conversationId = '' } = await first.result;
    for (let turn = 1; turn < 12; turn += 1) await say(system.manager, `q${turn} ${filler}`, { conversationId });
    return conversationId;
  }

  test('that are longer than the model takes are sent without their oldest turns, with a warning; a larger model gets all', async () => {
    const id = await talkLong();
    const answer = await say(system.manager, 'now', {
      conversationId: id,
      model: tiny,
      settings: { maxOutputTokens: 100 },
    });
    const [warning] = answer.warnings.filter(({ message }) => message.includes('not sent'));
    const dropped = Number(/^The (\d+) oldest turns/.exec(warning?.message ?? '')?.[1]);
    expect(dropped).toBeGreaterThan(3);
    expect(dropped).toBeLessThan(12);
    expect(warning?.message).toContain('of which 100 are kept for the answer');
    const messages = sent();
    expect(messages[0]).toBe('system: Be kind.');
    expect(messages[1]).toContain(`user: q${dropped} `);
    expect(messages).toHaveLength(1 + 2 * (12 - dropped) + 1);
    expect(messages.at(-1)).toBe('user: now');

    await say(system.manager, 'all of it', { conversationId: id, model: larger, settings: { maxOutputTokens: 100 } });
    expect(sent()).toHaveLength(1 + 24 + 2 + 1);
    expect(await readAll(id)).toHaveLength(1 + 24 + 4);
  });

  test('that go on with a fallback are fitted to the model that answers', async () => {
    const id = await talkLong();
    system.upstream.behave((call, tools) =>
      call.model === 'ministral-3b-2512' ? tools.fail(401, { message: 'no' }) : echo(call, tools),
    );
    const answer = await say(system.manager, 'now', {
      conversationId: id,
      model: tiny,
      fallbacks: [larger],
      settings: { maxOutputTokens: 100 },
    });
    expect(answer.fallbackFrom).toBe(tiny);
    expect(answer.warnings.some(({ message }) => message.includes('not sent'))).toBe(false);
    expect(sent()).toHaveLength(1 + 24 + 1);
  });

  test('have their oldest turns summed up where that is asked for: once, for a price that is told and in the ledger', async () => {
    const id = await talkLong();
    system.upstream.behave((call, tools) =>
      call.prompt.includes('<conversation>') ? tools.finish({ text: 'They speak of foxes.' }) : echo(call, tools),
    );
    const more = { conversationId: id, model: tiny, history: 'summarise' as const, settings: { maxOutputTokens: 100 } };
    const answer = await say(system.manager, 'now', more);
    const [told] = answer.warnings.filter(({ message }) => message.includes('summarised by'));
    expect(told?.message).toMatch(/^The \d+ oldest turns of the conversation were summarised by \S+ for \S+ .*gen_/);
    expect(answer.warnings.some(({ message }) => message.includes('not sent'))).toBe(false);
    const messages = sent();
    expect(messages.slice(0, 2).join('\n')).toMatch(
      /^system: Be kind\.\nuser: Summary of the conversation[^]*They speak of foxes\.[^]*<\/summary>\n\nq\d/,
    );
    expect(messages.length).toBeLessThan(14);
    const requestId = /gen_[0-9a-f-]{36}/.exec(told?.message ?? '')?.[0] ?? '';
    const database = await createDatabase({ url: system.env['DATABASE_URL'] ?? '' });
    await expect.poll(async () => (await database.ledger.findByRequest(requestId)).length).toBe(1);
    await database.close();

    const asked = system.upstream.calls.filter(({ prompt }) => prompt.includes('<conversation>')).length;
    const again = await say(system.manager, 'and now', more);
    expect(again.warnings.some(({ message }) => message.includes('made of it before'))).toBe(true);
    expect(system.upstream.calls.filter(({ prompt }) => prompt.includes('<conversation>'))).toHaveLength(asked);
    expect((await readAll(id)).map(textOf).slice(-4)).toEqual(['now', 'echo: now', 'and now', 'echo: and now']);
  });

  test('whose summary fails are sent without their oldest turns, and say both', async () => {
    const id = await talkLong();
    system.upstream.behave((call, tools) =>
      call.prompt.includes('<conversation>') ? tools.fail(401, { message: 'no' }) : echo(call, tools),
    );
    const answer = await say(system.manager, 'now', {
      conversationId: id,
      model: tiny,
      history: 'summarise',
      settings: { maxOutputTokens: 100 },
    });
    const messages = answer.warnings.map(({ message }) => message).join('\n');
    expect(messages).toContain('No summary could be made');
    expect(messages).toContain('oldest turns of the conversation were not sent');
  });

  test('are listed, searched and paged for their own client, and all for an administrator', async () => {
    const bob = { client: 'bob', admin: false };
    const ids: string[] = [];
    for (const word of ['badger', 'weasel', 'badger']) {
      const { result } = await other.generate(bob, {
        ...ask(`a ${word} in the garden`),
        model: any,
        saveConversation: true,
      });
      ids.unshift((await result).conversationId ?? '');
    }
    const idsOf = ({ conversations }: Awaited<ReturnType<Manager['listConversations']>>) =>
      conversations.map(({ id }) => id);
    expect(idsOf(await other.listConversations(bob))).toEqual(ids);
    expect(idsOf(await other.listConversations(bob, { search: 'badger' }))).toEqual([ids[0], ids[2]]);
    expect(idsOf(await other.listConversations(me, { search: 'badger' }))).toEqual([]);
    expect(idsOf(await other.listConversations(admin, { search: 'badger' }))).toEqual([ids[0], ids[2]]);
    const page = await other.listConversations(bob, { limit: 2 });
    expect(idsOf(page)).toEqual(ids.slice(0, 2));
    expect(idsOf(await other.listConversations(bob, { limit: 2, cursor: page.nextCursor }))).toEqual(ids.slice(2));
    for (const cursor of ['x', page.nextCursor?.slice(1) ?? '', Buffer.from('1 2').toString('base64url')]) {
      await expect(other.listConversations(bob, { cursor })).rejects.toMatchObject({ code: 'invalid_request' });
    }
    const first = await other.getConversation(bob, ids[0] ?? '', { limit: 1 });
    expect(first.messages.map(textOf)).toEqual(['a badger in the garden']);
    const rest = await other.getConversation(bob, ids[0] ?? '', { limit: 1, cursor: first.nextCursor });
    expect([rest.messages.map(textOf), rest.nextCursor]).toEqual([['echo: a badger in the garden'], undefined]);
  });

  test("of somebody else are not told apart from none, read, continued or deleted; one's own are deleted for good", async () => {
    const id = await begin('private matters');
    const thief = { client: 'thief', admin: false };
    const none = 'conv_0198c0de-0000-7000-8000-00000000aaaa';
    const refusals = await Promise.all(
      [id, none].flatMap((one) => [
        other.getConversation(thief, one).catch(({ message }: Error) => ({ message: message.replace(id, none) })),
        other.deleteConversation(thief, one).catch(({ message }: Error) => ({ message: message.replace(id, none) })),
        other
          .generate(thief, { ...ask('x'), model: any, conversationId: one })
          .catch(({ message }: Error) => ({ message: message.replace(id, none) })),
      ]),
    );
    expect(refusals.slice(0, 3)).toEqual(refusals.slice(3));
    expect((await other.deleteConversation(me, id)).title).toBe('private matters');
    await expect(other.getConversation(me, id)).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await other.listConversations(admin, { search: 'private matters' })).conversations).toEqual([]);
  });

  test('deleted while an answer is under way do not come back with it', async () => {
    const id = await begin('start');
    system.upstream.behave(async (call, tools) => {
      await tools.held;
      await echo(call, tools);
    });
    const running = await system.manager.generate(me, { ...ask('under way'), model: any, conversationId: id });
    await expect.poll(() => system.upstream.calls.filter(({ prompt }) => prompt === 'under way').length).toBe(1);
    await other.deleteConversation(me, id);
    system.upstream.release();
    const answer = await running.result;
    expect(answer.warnings.some(({ message }) => message.includes('not added to conversation'))).toBe(true);
    await expect(other.getConversation(me, id)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
