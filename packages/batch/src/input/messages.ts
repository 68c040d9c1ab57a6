import type { Message, MessagePart } from '@aimm/contracts';
import * as z from 'zod';
import { imageUrlFault, isImageUrl } from './images.ts';
import { JsonObjectInput } from './json-object.ts';

/** A part of a turn, snake_case as everything at this boundary. `tool_call` is what `tool_calls` of an answer holds. */
const PartInput = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('text'), text: z.string() }),
    z.strictObject({
      type: z.literal('image'),
      url: z.string().refine(isImageUrl, imageUrlFault).optional(),
      data: z.string().optional(),
      media_type: z.string().optional(),
    }),
    z.strictObject({
      type: z.literal('file'),
      url: z.string().refine(isFileUrl, 'expected an https:// URL or a data URL').optional(),
      data: z.string().optional(),
      media_type: z.string(),
      filename: z.string().optional(),
    }),
    z.strictObject({
      type: z.literal('tool_call'),
      id: z.string(),
      name: z.string(),
      arguments: JsonObjectInput,
      vendor: JsonObjectInput.optional(),
    }),
    z.strictObject({
      type: z.literal('tool_result'),
      tool_call_id: z.string(),
      name: z.string().optional(),
      content: z.string(),
      is_error: z.boolean().optional(),
    }),
  ],
  'expected type text, image, file, tool_call or tool_result',
);
type PartInput = z.infer<typeof PartInput>;

/** Nothing is read from here: an address that only this machine knows would fail after the wait in the queue. */
function isFileUrl(url: string): boolean {
  return url.startsWith('https://') || /^data:[\w.+-]+\/[\w.+-]+/.test(url.slice(0, 100));
}

const partsOfRole = {
  system: ['text'],
  user: ['text', 'image', 'file', 'tool_result'],
  assistant: ['text', 'tool_call'],
  tool: ['tool_result'],
} as const satisfies Record<string, readonly PartInput['type'][]>;

/** One turn. Role `tool` carries a tool's result: text in `content` and the call's id in `tool_call_id`. */
export const MessageInput = z
  .strictObject({
    role: z.enum(['system', 'user', 'assistant', 'tool']),
    content: z.union([z.string(), z.array(PartInput).min(1)], {
      // Faults inside the parts are told as they are; only something else entirely needs the overview.
      error: (issue) => (Array.isArray(issue.input) ? partFault(issue) : 'expected a text or a list of parts'),
    }),
    tool_call_id: z.string().optional(),
  })
  .superRefine((message, ctx) => {
    const fault = (path: (string | number)[], text: string) => ctx.addIssue({ code: 'custom', path, message: text });
    if (message.role === 'tool' && typeof message.content === 'string' && message.tool_call_id === undefined)
      fault(['tool_call_id'], 'required for role tool: the id of the tool_call that this answers');
    if (message.role !== 'tool' && message.tool_call_id !== undefined)
      fault(['tool_call_id'], 'only for role tool. Remove it');
    if (typeof message.content === 'string') return;
    const allowed: readonly string[] = partsOfRole[message.role];
    for (const [index, part] of message.content.entries()) {
      if (!allowed.includes(part.type))
        fault(['content', index], `a ${message.role} message holds ${allowed.join(', ')}; not ${part.type}`);
      if ((part.type === 'image' || part.type === 'file') && (part.url === undefined) === (part.data === undefined))
        fault(['content', index], 'expected either url or data');
      if (part.type === 'image' && part.data !== undefined && part.media_type === undefined)
        fault(['content', index, 'media_type'], 'required with data, like image/png');
    }
  });
export type MessageInput = z.infer<typeof MessageInput>;

/** The first fault inside a list of parts, with its place. */
function partFault(issue: z.core.$ZodRawIssue): string {
  const errors = issue.code === 'invalid_union' && Array.isArray(issue['errors']) ? issue['errors'] : [];
  const inner = (errors as z.core.$ZodIssue[][]).flat().find((fault) => fault.path.length > 0);
  if (inner === undefined) return 'expected at least one part';
  const [index, ...rest] = inner.path;
  return `part ${Number(index) + 1}${rest.map((key) => `.${String(key)}`).join('')}: ${inner.message}`;
}

/** Turns as the contracts know them; results of tools that stand side by side become one user turn. */
export function toMessages(inputs: readonly MessageInput[]): Message[] {
  const messages: Message[] = [];
  let previous: MessageInput | undefined;
  for (const input of inputs) {
    const content = toParts(input);
    const last = messages.at(-1);
    if (input.role === 'tool' && previous?.role === 'tool' && last !== undefined) last.content.push(...content);
    else messages.push({ role: input.role === 'tool' ? 'user' : input.role, content });
    previous = input;
  }
  return messages;
}

function toParts({ role, content, tool_call_id: toolCallId }: MessageInput): MessagePart[] {
  if (typeof content !== 'string') return content.map(toPart);
  if (role === 'tool') return [{ type: 'tool_result', toolCallId: toolCallId ?? '', content }];
  return [{ type: 'text', text: content }];
}

function toPart(part: PartInput): MessagePart {
  switch (part.type) {
    case 'text':
    case 'tool_call':
      return part;
    case 'image':
      return { type: 'image', url: part.url, data: part.data, mediaType: part.media_type };
    case 'file':
      return { type: 'file', url: part.url, data: part.data, mediaType: part.media_type, filename: part.filename };
    case 'tool_result':
      return {
        type: 'tool_result',
        toolCallId: part.tool_call_id,
        name: part.name,
        content: part.content,
        isError: part.is_error,
      };
  }
}
