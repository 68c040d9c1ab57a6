import type { ImagePart, Message, MessagePart, Warning } from '@aimm/contracts';
import type { Message as OllamaMessage } from 'ollama';
import { leaveOut, resultText, textOf } from '../adapter/conversation.ts';
import { readMedia } from '../adapter/media.ts';

type WireMessage = OllamaMessage & { tool_call_id?: string };

export function toMessages(messages: readonly Message[], warnings: Warning[]): WireMessage[] {
  const names = new Map(
    messages.flatMap(({ content }) =>
      content.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name] as const] : [])),
    ),
  );
  return messages.flatMap((message): WireMessage[] => {
    switch (message.role) {
      case 'system':
        return [{ role: 'system', content: textOf(message) }];
      case 'assistant':
        return [toAssistant(message)];
      case 'user':
        return toUser(message.content, names, warnings);
    }
  });
}

function toAssistant(message: Message): WireMessage {
  const calls = message.content.filter((part) => part.type === 'tool_call');
  return {
    role: 'assistant',
    content: textOf(message),
    ...(calls.length > 0 && {
      tool_calls: calls.map((call) => ({ id: call.id, function: { name: call.name, arguments: call.arguments } })),
    }),
  };
}

function toUser(
  content: readonly MessagePart[],
  names: ReadonlyMap<string, string>,
  warnings: Warning[],
): WireMessage[] {
  const results: WireMessage[] = [];
  const images: Uint8Array[] = [];
  let text = '';
  for (const part of content) {
    if (part.type === 'tool_result') {
      const name = part.name ?? names.get(part.toolCallId);
      results.push({
        role: 'tool',
        content: resultText(part),
        tool_call_id: part.toolCallId,
        ...(name !== undefined && { tool_name: name }),
      });
    }
    if (part.type === 'text') text += part.text;
    if (part.type === 'file') text += leaveOut('A file', 'Ollama takes text and images only', warnings);
    if (part.type === 'image') {
      const bytes = toBytes(part);
      if (bytes === undefined) text += leaveOut('An image', 'Ollama takes its data, not its address', warnings);
      else images.push(bytes);
    }
  }
  if (text === '' && images.length === 0) return results;
  return [...results, { role: 'user', content: text, ...(images.length > 0 && { images }) }];
}

/** Bytes, never the caller's text: the SDK takes a text that names a file for an order to read that file. */
function toBytes(part: ImagePart): Uint8Array | undefined {
  const media = readMedia(part);
  return media.at === 'inline' ? new Uint8Array(Buffer.from(media.base64, 'base64')) : undefined;
}
