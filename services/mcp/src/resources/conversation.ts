import type { JsonResourceTemplate } from '../define-resource.ts';
import { toConversationPageOutput } from '../format/conversation.ts';

/** Completions that a protocol answer may carry. */
const mostCompletions = 100;

export const conversationResource: JsonResourceTemplate = {
  name: 'conversation',
  uriTemplate: 'conversations://{id}',
  title: 'Conversation',
  description: 'A saved conversation with its first 1,000 messages; get_conversation reads on from next_cursor.',
  cacheHint: { ttlMs: 0, cacheScope: 'private' },
  scopes: ['read', 'generate'],
  read: async (manager, caller, id) =>
    toConversationPageOutput(await manager.getConversation(caller, id, { limit: 1_000 })),
  complete: async (manager, caller, begun) => {
    const { conversations } = await manager.listConversations(caller, { begins: begun, limit: mostCompletions });
    return conversations.map(({ id }) => id).filter((id) => id.startsWith(begun));
  },
};
