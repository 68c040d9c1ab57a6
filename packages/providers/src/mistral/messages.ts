import { createHash } from 'node:crypto';
import type { Message, MessagePart, Warning } from '@aimm/contracts';
import type { ChatCompletionStreamRequestMessage } from '@mistralai/mistralai/models/components/chatcompletionstreamrequest.js';
import type { ContentChunk } from '@mistralai/mistralai/models/components/contentchunk.js';
import { leaveOut, resultText, textOf } from '../adapter/conversation.ts';
import { readMedia, toDataUrl } from '../adapter/media.ts';

export function toChatMessages(
  messages: readonly Message[],
  warnings: Warning[],
): ChatCompletionStreamRequestMessage[] {
  return messages.flatMap((message, index): ChatCompletionStreamRequestMessage[] => {
    switch (message.role) {
      case 'system':
        return [{ role: 'system', content: textOf(message) }];
      case 'assistant':
        return [toAssistant(message, index === messages.length - 1)];
      case 'user':
        return toUser(message.content, warnings);
    }
  });
}

function toAssistant(message: Message, isLast: boolean): ChatCompletionStreamRequestMessage {
  const calls = message.content.filter((part) => part.type === 'tool_call');
  return {
    role: 'assistant',
    content: textOf(message),
    ...(calls.length > 0 && {
      toolCalls: calls.map((call, index) => ({
        index,
        id: toCallId(call.id),
        type: 'function',
        function: { name: call.name, arguments: JSON.stringify(call.arguments) },
      })),
    }),
    // Mistral takes an answer to go on with only when it is called that.
    ...(isLast && calls.length === 0 && { prefix: true }),
  };
}

function toUser(content: readonly MessagePart[], warnings: Warning[]): ChatCompletionStreamRequestMessage[] {
  const results = content.filter((part) => part.type === 'tool_result');
  const chunks = content.flatMap((part) => toChunk(part, warnings));
  return [
    ...results.map((part) => ({
      role: 'tool' as const,
      toolCallId: toCallId(part.toolCallId),
      ...(part.name !== undefined && { name: part.name }),
      content: resultText(part),
    })),
    ...(chunks.length === 0 ? [] : [{ role: 'user' as const, content: chunks }]),
  ];
}

function toChunk(part: MessagePart, warnings: Warning[]): ContentChunk[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  if (part.type !== 'image' && part.type !== 'file') return [];
  const media = readMedia(part);
  if (media.at === 'nowhere') {
    return [{ type: 'text', text: leaveOut(`The ${part.type}`, 'it has neither data nor a URL', warnings) }];
  }
  const url = media.at === 'url' ? media.url : toDataUrl(media);
  if (part.type === 'image') return [{ type: 'image_url', imageUrl: url }];
  return [
    { type: 'document_url', documentUrl: url, ...(part.filename !== undefined && { documentName: part.filename }) },
  ];
}

/** Mistral takes ids of nine letters and digits only; those of other providers get one that stays the same. */
function toCallId(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, 9);
}
