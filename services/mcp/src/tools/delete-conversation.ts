import { ConversationId } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';

export const deleteConversation = defineTool({
  name: 'delete_conversation',
  title: 'Delete a conversation',
  description: 'Deletes a saved conversation with all its messages, for good. What it cost stays in the statistics.',
  input: z.strictObject({ conversation_id: ConversationId }),
  output: z.object({ conversation_id: z.string(), deleted: z.boolean() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  scopes: ['generate'],
  async run({ conversation_id: id }, context) {
    const manager = await context.manager();
    const { title } = await manager.deleteConversation(context.caller, id);
    return { text: [`Deleted ${id} (${title}).`], structured: { conversation_id: id, deleted: true } };
  },
});
