import type { Conversation, ConversationMessage, MessagePart } from '@aimm/contracts';
import type { ConversationList, ConversationPage } from '@aimm/manager';
import * as z from 'zod';
import { formatPlural, toIsoTime, toUsd } from './units.ts';

/** A conversation without its messages. */
const conversationFields = {
  conversation_id: z.string(),
  title: z.string(),
  client: z.string(),
  turns: z.int(),
  created_at: z.string(),
  updated_at: z.string(),
};

export const ConversationListSchema = z.object({
  conversations: z.array(
    z.object({ ...conversationFields, snippet: z.string().optional().describe('Where the search found its words.') }),
  ),
  next_cursor: z.string().optional().describe('There are more: ask with this.'),
});

const MessageSchema = z.object({
  position: z.int(),
  role: z.enum(['system', 'user', 'assistant']),
  text: z.string(),
  parts: z
    .array(z.record(z.string(), z.unknown()))
    .optional()
    .describe('Everything but text; of images and files only what they are.'),
  model: z.string().optional(),
  job_id: z.string().optional(),
  cost_usd: z.number().nullable().optional(),
  input_tokens: z.int().optional(),
  output_tokens: z.int().optional(),
  created_at: z.string(),
});

export const ConversationPageSchema = z.object({
  ...conversationFields,
  messages: z.array(MessageSchema),
  next_cursor: z.string().optional().describe('There are more messages: ask with this.'),
});

function toConversationOutput(conversation: Conversation) {
  return {
    conversation_id: conversation.id,
    title: conversation.title,
    client: conversation.client,
    turns: conversation.version,
    created_at: toIsoTime(conversation.createdAt),
    updated_at: toIsoTime(conversation.updatedAt),
  };
}

export function toConversationListOutput({ conversations, nextCursor }: ConversationList) {
  return {
    conversations: conversations.map((conversation) => ({
      ...toConversationOutput(conversation),
      snippet: conversation.snippet,
    })),
    next_cursor: nextCursor,
  };
}

export function toConversationPageOutput({ conversation, messages, nextCursor }: ConversationPage) {
  return { ...toConversationOutput(conversation), messages: messages.map(toMessageOutput), next_cursor: nextCursor };
}

function toMessageOutput(stored: ConversationMessage): z.input<typeof MessageSchema> {
  const { message, usage } = stored;
  const parts = message.content.filter(({ type }) => type !== 'text').map(toPartOutput);
  return {
    position: stored.position,
    role: message.role,
    text: toText(stored),
    ...(parts.length > 0 && { parts }),
    model: stored.model,
    job_id: stored.requestId,
    ...(stored.costNanoUsd !== undefined && { cost_usd: toUsd(stored.costNanoUsd) }),
    input_tokens: usage?.inputTokens,
    output_tokens: usage?.outputTokens,
    created_at: toIsoTime(stored.createdAt),
  };
}

/** What is only of use to the provider that made it, and data of images and files, stays in the database. */
function toPartOutput(part: MessagePart): Record<string, unknown> {
  switch (part.type) {
    case 'text':
      return { ...part };
    case 'reasoning':
      return { type: part.type, text: part.text };
    case 'tool_call':
      return { type: part.type, id: part.id, name: part.name, arguments: part.arguments };
    case 'tool_result':
      return {
        type: part.type,
        tool_call_id: part.toolCallId,
        name: part.name,
        content: part.content,
        is_error: part.isError,
      };
    case 'image':
    case 'file':
      return {
        type: part.type,
        media_type: part.mediaType,
        ...(part.type === 'file' && { filename: part.filename }),
        ...(part.url?.startsWith('data:') === false && { url: part.url }),
      };
  }
}

function toText({ message }: ConversationMessage): string {
  return message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}

export function formatConversationList({ conversations, nextCursor }: ConversationList, search?: string): string {
  if (conversations.length === 0) {
    return search === undefined
      ? 'No conversation is saved. generate with save_conversation: true begins one.'
      : 'No conversation has a message with all of these words. Search for fewer, or list without search.';
  }
  const lines = conversations.map((conversation) => {
    const found = conversation.snippet === undefined ? '' : `\n  ${conversation.snippet.replaceAll(/\s+/g, ' ')}`;
    return `${formatConversation(conversation)}${found}`;
  });
  return [...lines, ...(nextCursor === undefined ? [] : [`There are more: cursor ${nextCursor}.`])].join('\n');
}

function formatConversation({ id, title, version, updatedAt }: Conversation): string {
  return `${id}: ${title} (${formatPlural(version, 'turn')}, last ${toIsoTime(updatedAt)})`;
}

export function formatConversationPage({ conversation, messages, nextCursor }: ConversationPage): string {
  const said = messages.map((stored) => {
    const others = stored.message.content.filter(({ type }) => type !== 'text').map(({ type }) => `[${type}]`);
    const who = stored.model === undefined ? stored.message.role : `${stored.message.role} (${stored.model})`;
    return `${who}: ${[toText(stored), ...others].filter((text) => text !== '').join('\n')}`;
  });
  const more = nextCursor === undefined ? [] : [`There are more messages: cursor ${nextCursor}.`];
  return [formatConversation(conversation), ...said, ...more].join('\n\n');
}
