import type { FilePart, ImagePart, MessagePart, Warning } from '@aimm/contracts';
import type {
  ContentBlockParam,
  DocumentBlockParam,
  ImageBlockParam,
  MessageParam,
  TextBlockParam,
} from '@anthropic-ai/sdk/resources/messages/messages';
import { toCallId } from '../adapter/call-id.ts';
import { leaveOut, mergeTurns, type Turn, vendorData } from '../adapter/conversation.ts';
import { type Media, readMedia } from '../adapter/media.ts';

const callIds = /^[a-zA-Z0-9_-]+$/;
const imageTypes = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;

/** Turns as Anthropic wants them: alternating, results of tools first in theirs, no empty text. */
export function toMessageParams(turns: readonly Turn[], warnings: Warning[]): MessageParam[] {
  return mergeTurns(turns).flatMap((turn) => {
    const content = turn.role === 'user' ? toUserBlocks(turn.content, warnings) : toAssistantBlocks(turn.content);
    return content.length === 0 ? [] : [{ role: turn.role, content }];
  });
}

function toUserBlocks(content: readonly MessagePart[], warnings: Warning[]): ContentBlockParam[] {
  const blocks = content.flatMap((part) => toUserBlock(part, warnings));
  const isResult = (block: ContentBlockParam) => block.type === 'tool_result';
  return [...blocks.filter(isResult), ...blocks.filter((block) => !isResult(block))];
}

function toUserBlock(part: MessagePart, warnings: Warning[]): ContentBlockParam[] {
  switch (part.type) {
    case 'text':
      return toText(part.text);
    case 'image':
      return [toImage(part, warnings)];
    case 'file':
      return [toDocument(part, warnings)];
    case 'tool_result': {
      const failed = part.isError === true ? { is_error: true } : {};
      const id = toCallId(part.toolCallId, callIds);
      return [{ type: 'tool_result', tool_use_id: id, content: part.content, ...failed }];
    }
    default:
      return [];
  }
}

/** Thinking goes back as it came: with its own part's signature, or kept by the call that followed it. */
function toAssistantBlocks(content: readonly MessagePart[]): ContentBlockParam[] {
  const signed = content.some((part) => part.type === 'reasoning' && part.signature !== undefined);
  const blocks: ContentBlockParam[] = [];
  let calls = 0;
  for (const part of content) {
    if (part.type === 'text') blocks.push(...toText(part.text));
    if (part.type === 'reasoning' && part.signature !== undefined) {
      blocks.push({ type: 'thinking', thinking: part.text, signature: part.signature });
    }
    if (part.type === 'tool_call') {
      const kept = signed ? undefined : vendorData(part, 'anthropic')?.['thinking'];
      if (Array.isArray(kept)) {
        // Our own record of Anthropic's blocks. Those of a turn's first call stood before its text.
        blocks.splice(calls === 0 ? 0 : blocks.length, 0, ...(kept as unknown as ContentBlockParam[]));
      }
      const id = toCallId(part.id, callIds);
      blocks.push({ type: 'tool_use', id, name: part.name, input: part.arguments });
      calls += 1;
    }
  }
  return blocks;
}

function toText(text: string): TextBlockParam[] {
  return text.trim() === '' ? [] : [{ type: 'text', text }];
}

function toImage(part: ImagePart, warnings: Warning[]): ImageBlockParam | TextBlockParam {
  const media = readMedia(part);
  if (media.at === 'url') return { type: 'image', source: { type: 'url', url: media.url } };
  const type = media.at === 'inline' ? imageTypes.find((one) => one === media.mediaType) : undefined;
  if (media.at === 'inline' && type !== undefined) {
    return { type: 'image', source: { type: 'base64', media_type: type, data: media.base64 } };
  }
  const why = media.at === 'nowhere' ? 'it has neither data nor a URL' : `Anthropic reads no ${media.mediaType}`;
  return { type: 'text', text: leaveOut('An image', why, warnings) };
}

function toDocument(part: FilePart, warnings: Warning[]): DocumentBlockParam | TextBlockParam {
  const media = readMedia(part);
  const source = toDocumentSource(media);
  if (source !== undefined) {
    return { type: 'document', source, ...(part.filename !== undefined && { title: part.filename }) };
  }
  const why = media.at === 'inline' ? `Anthropic reads no ${media.mediaType}` : 'it has neither data nor a URL';
  return { type: 'text', text: leaveOut('A file', why, warnings) };
}

function toDocumentSource(media: Media): DocumentBlockParam['source'] | undefined {
  if (media.at === 'url') return { type: 'url', url: media.url };
  if (media.at === 'nowhere') return undefined;
  if (media.mediaType === 'application/pdf') {
    return { type: 'base64', media_type: media.mediaType, data: media.base64 };
  }
  const isText = media.mediaType.startsWith('text/') || media.mediaType === 'application/json';
  if (!isText) return undefined;
  return { type: 'text', media_type: 'text/plain', data: Buffer.from(media.base64, 'base64').toString('utf8') };
}
