import type { GenerationSettings, Message, ResponseFormat } from '@aimm/contracts';
import type * as z from 'zod';
import { toMessages } from './messages.ts';
import type { questionFields, rareFields, settingFields } from './question-fields.ts';

type Fields = typeof questionFields & typeof settingFields;
type QuestionInput = Pick<z.output<z.ZodObject<Fields>>, 'prompt' | 'messages' | 'images' | 'system'>;
type SettingsInput = Partial<
  z.output<z.ZodObject<Omit<typeof settingFields, 'system' | 'images'> & typeof rareFields>>
>;

/** The turns, images and system instructions in their places. */
export function toConversation(input: QuestionInput): Message[] {
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

/** A setting that was not given is undefined in it. */
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

function toResponseFormat(format: SettingsInput['response_format'] | undefined): ResponseFormat | undefined {
  return typeof format === 'string' ? { type: format } : format;
}

/** Bytes of text, and of what is sent as text (tools, schemas); images and files are not counted. */
export function countTextBytes(messages: readonly Message[], settings: GenerationSettings): number {
  const bytesOf = (text: string) => Buffer.byteLength(text);
  const jsonBytesOf = (value: unknown) => (value === undefined ? 0 : bytesOf(JSON.stringify(value)));
  let bytes = jsonBytesOf(settings.tools) + jsonBytesOf(settings.responseFormat);
  for (const part of messages.flatMap((message) => message.content)) {
    if (part.type === 'text' || part.type === 'reasoning') bytes += bytesOf(part.text);
    else if (part.type === 'tool_result') bytes += bytesOf(part.content);
    else if (part.type === 'tool_call') bytes += jsonBytesOf(part.arguments);
  }
  return bytes;
}
