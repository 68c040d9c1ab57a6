import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { ConversationListSchema, formatConversationList, toConversationListOutput } from '../format/conversation.ts';

export const listConversations = defineTool({
  name: 'list_conversations',
  title: 'List conversations',
  description:
    'Lists the saved conversations, the last written to first, or those with a message that has certain words.',
  input: z.strictObject({
    search: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe('Words that one message has, all of them; fox* for the beginning of one.'),
    limit: z.int().min(1).max(100).optional().describe('Default 20.'),
    cursor: z.string().min(1).max(200).optional(),
  }),
  output: ConversationListSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['read', 'generate'],
  async run({ search, limit, cursor }, context) {
    const manager = await context.manager();
    const list = await manager.listConversations(context.caller, { search, limit, cursor });
    return { text: [formatConversationList(list, search)], structured: toConversationListOutput(list) };
  },
});
