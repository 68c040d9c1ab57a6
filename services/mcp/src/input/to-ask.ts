import { requireRequestSize, toConversation, toSettings } from '@aimm/batch/input';
import type { GenerationSettings, Message } from '@aimm/contracts';
import type * as z from 'zod';
import type { limitFields, questionFields, rareFields, settingFields } from './ask-fields.ts';

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
  requireRequestSize(ask, maxPromptBytes, furtherTexts);
  return ask;
}

export function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.ceil(seconds * 1000);
}
