import { countTextBytes, toConversation, toSettings } from '@aimm/batch/input';
import { type GenerationSettings, type Message, ModelManagerError } from '@aimm/contracts';
import type * as z from 'zod';
import { formatCount } from '../format/units.ts';
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
  requireSize(ask, furtherTexts, maxPromptBytes);
  return ask;
}

export function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.ceil(seconds * 1000);
}

/** Counts text and what is sent as text (tools, schemas); images and files have the transport's limit. */
function requireSize(ask: CommonAsk, furtherTexts: (string | undefined)[], maxPromptBytes: number): void {
  const further = furtherTexts.map((text) => (text === undefined ? 0 : Buffer.byteLength(text)));
  const bytes = further.reduce((sum, each) => sum + each, countTextBytes(ask.messages, ask.settings));
  if (bytes <= maxPromptBytes) return;
  throw new ModelManagerError(
    'invalid_request',
    `The text of this request is ${formatCount(bytes)} bytes long; the limit is ${formatCount(maxPromptBytes)} bytes.`,
    {
      hint: 'Nothing was sent. Shorten or split the text, or raise AIMM_MAX_PROMPT_BYTES in the environment of the server.',
    },
  );
}
