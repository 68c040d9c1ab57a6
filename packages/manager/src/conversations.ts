import { type Conversation, ConversationId, ModelManagerError } from '@aimm/contracts';
import { requireConversation } from './claim-turn.ts';
import type { Caller } from './caller.ts';
import type { ConversationList, ConversationPage } from './conversation-views.ts';
import type { Manager } from './manager.ts';
import type { Resources } from './resources.ts';

const [usualConversations, usualMessages] = [20, 50];

export async function listConversations(
  { database }: Resources,
  caller: Caller,
  { search, begins, limit = usualConversations, cursor }: NonNullable<Parameters<Manager['listConversations']>[1]> = {},
): Promise<ConversationList> {
  const after = cursor === undefined ? undefined : parseCursor(cursor);
  const { conversations } = await database.get();
  const found = await conversations.list({
    ...(!caller.admin && { client: caller.client }),
    search,
    begins,
    limit: limit + 1,
    after,
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    conversations: page,
    ...(found.length > limit && last !== undefined && { nextCursor: toCursor(last) }),
  };
}

export async function getConversation(
  resources: Resources,
  caller: Caller,
  id: string,
  { limit = usualMessages, cursor }: NonNullable<Parameters<Manager['getConversation']>[2]> = {},
): Promise<ConversationPage> {
  const after = cursor === undefined ? undefined : parsePosition(cursor);
  const conversation = await requireConversation(resources, caller, id);
  const { conversations } = await resources.database.get();
  const found = await conversations.messages(id, { ...(after !== undefined && { after }), limit: limit + 1 });
  const messages = found.slice(0, limit);
  const last = messages.at(-1);
  return {
    conversation,
    messages,
    ...(found.length > limit && last !== undefined && { nextCursor: String(last.position) }),
  };
}

export async function deleteConversation(resources: Resources, caller: Caller, id: string): Promise<Conversation> {
  const conversation = await requireConversation(resources, caller, id);
  const { conversations } = await resources.database.get();
  await conversations.remove(id);
  return conversation;
}

/** The last conversation of a page: the next one goes on behind it, whatever was added meanwhile. */
function toCursor({ updatedAt, id }: Conversation): string {
  return Buffer.from(`${updatedAt} ${id}`).toString('base64url');
}

function parseCursor(cursor: string): { updatedAt: number; id: string } {
  const [, time, id] = /^(\d{1,15}) (\S+)$/.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? [];
  if (!ConversationId.safeParse(id).success) throw wrongCursor();
  return { updatedAt: Number(time), id: id ?? '' };
}

function parsePosition(cursor: string): number {
  if (!/^\d{1,9}$/.test(cursor)) throw wrongCursor();
  return Number(cursor);
}

function wrongCursor(): ModelManagerError {
  return new ModelManagerError('invalid_request', 'The cursor is not one that was given here.', {
    hint: 'Send next_cursor of the page before as it is, with the same search; without a cursor the first page comes.',
  });
}
