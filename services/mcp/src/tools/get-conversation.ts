import { ConversationId } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { ConversationPageSchema, formatConversationPage, toConversationPageOutput } from '../format/conversation.ts';

export const getConversation = defineTool({
  name: 'get_conversation',
  title: 'Read a conversation',
  description: 'Reads the messages of a saved conversation, oldest first, with model, tokens and cost of each answer.',
  input: z.strictObject({
    conversation_id: ConversationId,
    limit: z.int().min(1).max(1000).optional().describe('Messages per page; default 50.'),
    cursor: z
      .string()
      .regex(/^\d{1,9}$/, 'expected next_cursor of the page before')
      .optional(),
  }),
  output: ConversationPageSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  meta: { 'anthropic/maxResultSizeChars': 500_000 },
  async run({ conversation_id: id, limit, cursor }, context) {
    const manager = await context.manager();
    const page = await manager.getConversation(context.caller, id, { limit, cursor });
    return { text: [formatConversationPage(page)], structured: toConversationPageOutput(page) };
  },
});
