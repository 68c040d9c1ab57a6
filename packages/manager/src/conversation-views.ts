import type { Conversation, ConversationMessage } from '@aimm/contracts';

/** A page of conversations, the last written to first. `snippet`: where a search found its words. */
export interface ConversationList {
  conversations: (Conversation & { snippet?: string | undefined })[];
  nextCursor?: string | undefined;
}

/** A page of one conversation, oldest message first. */
export interface ConversationPage {
  conversation: Conversation;
  messages: ConversationMessage[];
  nextCursor?: string | undefined;
}
