import { ModelManagerError } from '@aimm/contracts';
import { describe, expect, it } from 'vitest';
import { connect, eras } from './support/connect.ts';
import { createReadyManager } from './support/fake-manager.ts';
import { conversationId, generationId } from './support/fixtures.ts';

const open = (manager = createReadyManager()) => connect(async () => manager, { era: eras[1] });

describe('conversations', () => {
  it('are listed with where a search found its words, and with the way on', async () => {
    const manager = createReadyManager();
    const client = await open(manager);
    const { structuredContent, content } = await client.callTool({
      name: 'list_conversations',
      arguments: { search: 'fox', limit: 5, cursor: 'bmV4dA' },
    });
    expect(manager.calls.at(-1)?.args[1]).toEqual({ search: 'fox', limit: 5, cursor: 'bmV4dA' });
    expect(structuredContent).toMatchObject({
      conversations: [
        { conversation_id: conversationId, title: 'How do foxes hunt?', turns: 1, snippet: 'a **fox** in snow' },
      ],
      next_cursor: 'bmV4dA',
    });
    expect(JSON.stringify(content)).toContain('cursor bmV4dA');
  });

  it('are read with model, tokens and cost of each answer, and without the data of images or what is for vendors only', async () => {
    const client = await open();
    const answer = await client.callTool({ name: 'get_conversation', arguments: { conversation_id: conversationId } });
    expect(answer.structuredContent).toMatchObject({
      conversation_id: conversationId,
      messages: [
        { role: 'user', text: 'How do foxes hunt?', parts: [{ type: 'image', media_type: 'image/png' }] },
        {
          role: 'assistant',
          text: 'By ear.',
          parts: [{ type: 'reasoning', text: 'Foxes…' }],
          model: 'openai/gpt-5-mini',
          job_id: generationId,
          cost_usd: 0.000009,
          input_tokens: 12,
          output_tokens: 3,
        },
      ],
      next_cursor: '1',
    });
    expect(JSON.stringify(answer)).not.toMatch(/cGxhbnRlZA|c2ln/);
  });

  it('are deleted by their id', async () => {
    const manager = createReadyManager();
    const client = await open(manager);
    const answer = await client.callTool({
      name: 'delete_conversation',
      arguments: { conversation_id: conversationId },
    });
    expect(answer.structuredContent).toEqual({ conversation_id: conversationId, deleted: true });
    expect(manager.calls.map(({ method }) => method)).toEqual(['deleteConversation']);
  });

  it('are refused by wrong ids and cursors in words that say what is right', async () => {
    const client = await open();
    const wrong: [string, Record<string, unknown>, string][] = [
      ['get_conversation', { conversation_id: '7' }, 'conv_'],
      ['get_conversation', { conversation_id: conversationId, cursor: 'x' }, 'next_cursor'],
      ['delete_conversation', {}, 'conversation_id'],
      ['list_conversations', { limit: 0 }, 'at least 1'],
      ['list_conversations', { query: 'x' }, 'search'],
      ['generate', { prompt: 'x', history: 'summarise' }, 'needs conversation_id'],
    ];
    for (const [name, args, said] of wrong) {
      const answer = await client.callTool({ name, arguments: args });
      expect(answer.isError).toBe(true);
      expect(JSON.stringify(answer.content)).toContain(said);
    }
  });

  it('are a resource each, whose ids are completed', async () => {
    const client = await open();
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate, mimeType }) => [uriTemplate, mimeType])).toContainEqual([
      'conversations://{id}',
      'application/json',
    ]);
    const ref = { type: 'ref/resource' as const, uri: 'conversations://{id}' };
    const complete = async (value: string) =>
      (await client.complete({ ref, argument: { name: 'id', value } })).completion.values;
    expect([await complete('conv_0198'), await complete('conv_x')]).toEqual([[conversationId], []]);
    const { contents } = await client.readResource({ uri: `conversations://${conversationId}` });
    expect(JSON.parse('text' in contents[0]! ? contents[0].text : '')).toMatchObject({
      conversation_id: conversationId,
      messages: [{ role: 'user' }, { role: 'assistant' }],
    });
  });

  it('that are not there are an error of the protocol as a resource, and complete to nothing while the database is away', async () => {
    const away = () => Promise.reject(new ModelManagerError('unavailable', 'The database is away.'));
    const client = await open(
      createReadyManager({
        getConversation: () =>
          Promise.reject(new ModelManagerError('invalid_request', 'There is no conversation "x".')),
        listConversations: away,
      }),
    );
    await expect(client.readResource({ uri: `conversations://${conversationId}` })).rejects.toThrow(/no conversation/);
    const ref = { type: 'ref/resource' as const, uri: 'conversations://{id}' };
    expect((await client.complete({ ref, argument: { name: 'id', value: '' } })).completion.values).toEqual([]);
  });

  it('begun in the background are named at once', async () => {
    const ready = createReadyManager();
    const client = await open(
      createReadyManager({ generate: async (...asked) => ({ ...(await ready.generate(...asked)), conversationId }) }),
    );
    const answer = await client.callTool({
      name: 'generate',
      arguments: { prompt: 'x', save_conversation: true, background: true },
    });
    expect(answer.structuredContent).toMatchObject({ status: 'queued', conversation_id: conversationId });
  });
});
