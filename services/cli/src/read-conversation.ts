import type { Conversation, ConversationMessage } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';

/** A conversation with all of its messages. */
export interface WholeConversation {
  conversation: Conversation;
  messages: ConversationMessage[];
}

/** @throws ModelManagerError when there is no such conversation for this caller */
export async function readWhole(
  manager: Pick<Manager, 'getConversation'>,
  caller: Caller,
  id: string,
): Promise<WholeConversation> {
  const messages: ConversationMessage[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await manager.getConversation(caller, id, { limit: 1_000, cursor });
    messages.push(...page.messages);
    cursor = page.nextCursor;
    if (cursor === undefined) return { conversation: page.conversation, messages };
  }
}
