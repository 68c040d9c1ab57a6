import { type GenerationSettings, type Message, ModelManagerError, type ResponseFormat } from '@aimm/contracts';
import type * as z from 'zod';
import { formatCount } from '../format/units.ts';
import type { limitFields, questionFields, rareFields, settingFields } from './ask-fields.ts';
import { toMessages } from './messages.ts';

type Fields = typeof questionFields & typeof settingFields & typeof limitFields & typeof rareFields;
export type AskInput = z.output<z.ZodObject<Fields>>;

export interface CommonAsk {
  messages: Message[];
  settings: GenerationSettings;
  tags: string[] | undefined;
  maxWaitMs: number | undefined;
  timeoutMs: number | undefined;
}

/** Parsed arguments as the manager takes them. @throws invalid_request when the text is over `maxPromptBytes` */
export function toAsk(input: AskInput, maxPromptBytes: number, ...furtherTexts: (string | undefined)[]): CommonAsk {
  const ask = {
    messages: toConversation(input),
    settings: toSettings(input),
    tags: input.tags,
    maxWaitMs: toMs(input.max_wait_seconds),
    timeoutMs: toMs(input.timeout_seconds),
  };
  requireSize(ask, furtherTexts, maxPromptBytes);
  return ask;
}

export function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.ceil(seconds * 1000);
}

function toConversation(input: AskInput): Message[] {
  const turns: Message[] =
    input.messages === undefined
      ? [{ role: 'user', content: [{ type: 'text', text: input.prompt ?? '' }] }]
      : toMessages(input.messages);
  const lastUserTurn = turns.findLast((turn) => turn.role === 'user');
  // Vendors advise images before the text, and want results of tools before everything.
  if (lastUserTurn?.content.some((part) => part.type === 'tool_result'))
    lastUserTurn.content.push(...(input.images ?? []));
  else lastUserTurn?.content.unshift(...(input.images ?? []));
  if (input.system === undefined) return turns;
  return [{ role: 'system', content: [{ type: 'text', text: input.system }] }, ...turns];
}

type SettingsInput = Partial<Pick<AskInput, keyof typeof settingFields | keyof typeof rareFields>>;

export function toSettings(input: SettingsInput): GenerationSettings {
  return {
    maxOutputTokens: input.max_output_tokens,
    temperature: input.temperature,
    topP: input.top_p,
    stop: typeof input.stop === 'string' ? [input.stop] : input.stop,
    seed: input.seed,
    responseFormat: toResponseFormat(input.response_format),
    reasoningEffort: input.reasoning_effort,
    tools: input.tools,
    toolChoice: input.tool_choice,
    topK: input.top_k,
    presencePenalty: input.presence_penalty,
    frequencyPenalty: input.frequency_penalty,
    serviceTier: input.service_tier,
    userId: input.user,
    promptCache: input.prompt_cache,
  };
}

function toResponseFormat(format: AskInput['response_format'] | undefined): ResponseFormat | undefined {
  return typeof format === 'string' ? { type: format } : format;
}

/** Counts text and what is sent as text (tools, schemas); images and files have the transport's limit. */
function requireSize(ask: CommonAsk, furtherTexts: (string | undefined)[], maxPromptBytes: number): void {
  const bytesOf = (text: string | undefined) => (text === undefined ? 0 : Buffer.byteLength(text));
  const jsonBytesOf = (value: unknown) => (value === undefined ? 0 : bytesOf(JSON.stringify(value)));
  let bytes = jsonBytesOf(ask.settings.tools) + jsonBytesOf(ask.settings.responseFormat);
  for (const text of furtherTexts) bytes += bytesOf(text);
  for (const part of ask.messages.flatMap((message) => message.content)) {
    if (part.type === 'text' || part.type === 'reasoning') bytes += bytesOf(part.text);
    else if (part.type === 'tool_result') bytes += bytesOf(part.content);
    else if (part.type === 'tool_call') bytes += jsonBytesOf(part.arguments);
  }
  if (bytes <= maxPromptBytes) return;
  throw new ModelManagerError(
    'invalid_request',
    `The text of this request is ${formatCount(bytes)} bytes long; the limit is ${formatCount(maxPromptBytes)} bytes.`,
    {
      hint: 'Nothing was sent. Shorten or split the text, or raise AIMM_MAX_PROMPT_BYTES in the environment of the server.',
    },
  );
}
