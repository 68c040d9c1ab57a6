import {
  type JsonObject,
  type Message,
  type MessagePart,
  ModelManagerError,
  type ToolCallPart,
  type Warning,
} from '@aimm/contracts';
import { isObject } from './error-body.ts';

export type Turn = { role: 'user' | 'assistant'; content: MessagePart[] };

/** What a message of each role may hold; no vendor has a place for the rest. */
const partsOf: Readonly<Record<Message['role'], readonly MessagePart['type'][]>> = {
  system: ['text'],
  user: ['text', 'image', 'file', 'tool_result'],
  assistant: ['text', 'reasoning', 'tool_call'],
};

/**
 * The messages that say anything, each with what its role may hold: blank text and reasoning without an answer are refused
 * by some vendors and left out by others, which could leave a prompt of nothing.
 *
 * @throws ModelManagerError `invalid_request` when no message says anything
 */
export function keepSpoken(messages: readonly Message[], provider: string, warnings: Warning[]): Message[] {
  const spoken = messages
    .map((message) => ({ ...message, content: message.content.filter((part) => belongs(part, message, warnings)) }))
    .filter(({ content }) =>
      content.some((part) => part.type !== 'reasoning' && (part.type !== 'text' || part.text.trim() !== '')),
    );
  if (spoken.length > 0) return spoken;
  throw new ModelManagerError('invalid_request', 'The prompt is empty: no message holds text, a file or a tool call.', {
    provider,
    hint: 'Give at least one message with text.',
  });
}

function belongs({ type }: MessagePart, { role }: Message, warnings: Warning[]): boolean {
  if (partsOf[role].includes(type)) return true;
  const message = `A part of the type ${type} was left out of the prompt: a message of the role ${role} cannot hold it.`;
  warnings.push({ code: 'other', message });
  return false;
}

/** System text of the whole conversation, and the turns without it: for vendors whose system prompt stands apart. */
export function splitSystem(messages: readonly Message[]): { system: string | undefined; turns: Turn[] } {
  const system = messages.filter(({ role }) => role === 'system').map(textOf);
  const turns = messages.filter((message): message is Message & Turn => message.role !== 'system');
  // Nobody answers to a system prompt alone.
  if (turns.length === 0)
    return { system: undefined, turns: [{ role: 'user', content: messages.flatMap(({ content }) => content) }] };
  return { system: system.length === 0 ? undefined : system.join('\n\n'), turns };
}

export function textOf({ content }: { content: readonly MessagePart[] }): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** Vendors that refuse two turns of one role in a row get them as one. */
export function mergeTurns(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const { role, content } of turns) {
    const last = merged.at(-1);
    if (last?.role === role) last.content.push(...content);
    else merged.push({ role, content: [...content] });
  }
  return merged;
}

/** Stands where a part had to be left out, so that the model knows that something is missing. */
export function leaveOut(what: string, why: string, warnings: Warning[]): string {
  warnings.push({ code: 'other', message: `${what} was left out of the prompt: ${why}.` });
  return `[${what} left out: ${why}]`;
}

const jsonInstruction = 'Answer with a JSON object and nothing else.';

/** Vendors' JSON modes refuse, or run astray, when the prompt does not ask for JSON itself. */
export function askForJson(messages: readonly Message[], provider: string, warnings: Warning[]): Message[] {
  if (messages.some((message) => /json/i.test(textOf(message)))) return [...messages];
  const message = `The prompt was told to answer in JSON, since ${provider} wants it said there.`;
  warnings.push({ code: 'adjusted_setting', setting: 'responseFormat', message });
  return [{ role: 'system', content: [{ type: 'text', text: jsonInstruction }] }, ...messages];
}

/** The arguments of a call as the vendor streamed them; undefined when they are no JSON object. */
export function parseArguments(text: string): JsonObject | undefined {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? (value as JsonObject) : undefined; // JSON.parse gives JSON
  } catch {
    return undefined;
  }
}

/** A call that came with unreadable arguments: running it with others would be worse than not at all. */
export function warnBrokenCall(name: string): Warning {
  return { code: 'other', message: `A call of the tool ${name} was left out: its arguments are not a JSON object.` };
}

/** What a provider kept with its own tool call to get it back in the next turn. */
export function vendorData(call: ToolCallPart, kind: string): JsonObject | undefined {
  const data = call.vendor?.[kind];
  return isObject(data) ? (data as JsonObject) : undefined; // a value inside JSON
}

/** A tool's answer for vendors that have no field to say that it failed. */
export function resultText({ content, isError }: { content: string; isError?: boolean | undefined }): string {
  return isError === true ? `Error: ${content}` : content;
}
