import { type GenerationSettings, type Message, ModelManagerError } from '@aimm/contracts';
import { formatCount } from '@aimm/runtime/format';
import { countTextBytes } from './to-question.ts';

/** What a message over MCP may hold. */
const maxImageBytes = 32 * 1024 * 1024;

/**
 * Refuses what is too long for the queue. Counts text and what is sent as text (tools, schemas, `furtherTexts`) against
 * `maxPromptBytes`, which is AIMM_MAX_PROMPT_BYTES; images as they are sent, in Base64, have a limit of their own.
 * @throws invalid_request
 */
export function requireRequestSize(
  { messages, settings }: { messages: readonly Message[]; settings: GenerationSettings },
  maxPromptBytes: number,
  furtherTexts: readonly (string | undefined)[] = [],
): void {
  const further = furtherTexts.map((text) => (text === undefined ? 0 : Buffer.byteLength(text)));
  const bytes = further.reduce((sum, each) => sum + each, countTextBytes(messages, settings));
  if (bytes > maxPromptBytes) {
    throw new ModelManagerError(
      'invalid_request',
      `The text of this request is ${formatCount(bytes)} bytes long; the limit is ${formatCount(maxPromptBytes)} bytes.`,
      {
        hint: 'Nothing was sent. Shorten or split the text, or raise AIMM_MAX_PROMPT_BYTES in the environment of the server or command.',
      },
    );
  }
  const parts = messages.flatMap(({ content }) => content);
  const images = parts.map((part) => (part.type === 'image' ? (part.data ?? part.url ?? '').length : 0));
  if (images.reduce((sum, each) => sum + each, 0) <= maxImageBytes) return;
  throw new ModelManagerError('invalid_request', 'The images of this request are too large: the limit is 32 MB.', {
    hint: 'Nothing was sent. Send fewer or smaller images.',
  });
}
