import type { Message, MessagePart } from '@aimm/contracts';

/**
 * How many tokens a conversation will count as input: a guess for admission and for broken streams, never for bills.
 *
 * `count` says how many tokens of OpenAI's current vocabulary (o200k) a text has; without it four UTF-8 bytes count as
 * one, which holds for prose and code (one CJK character is three bytes and most of a token). Images and files by flat
 * sizes, as their real count needs the vendor: a full-size image is 700 to 1,600, a page 1,500 to 3,000.
 */
export function estimateTokens(
  messages: readonly Message[],
  kind: string,
  count: (text: string) => number = countByBytes,
): number {
  const factor = vocabularyFactors[kind] ?? otherFactor;
  let tokens = 0;
  for (const message of messages) {
    tokens += perMessage;
    for (const part of message.content) tokens += estimatePart(part, (text) => count(text) * factor);
  }
  return Math.ceil(tokens);
}

/**
 * How many tokens the vendor's own vocabulary makes of what o200k makes one of, in English prose and code. OpenAI's is
 * o200k itself. Anthropic's since Claude 4.7 makes about a third more. Gemini's vocabulary is a little larger than
 * o200k and splits numbers into digits; Mistral's is smaller. All on the high side: admission must not fall short.
 */
const vocabularyFactors: Readonly<Record<string, number>> = {
  openai: 1,
  anthropic: 4 / 3,
  google: 1.05,
  mistral: 1.1,
};
/** What a local server runs is anybody's guess; open models have 32,000 to 200,000 words, the older ones fewer. */
const otherFactor = 1.15;

const perMessage = 4;
const perImage = 1_200;
const perFile = 6_000;

function countByBytes(text: string): number {
  return Buffer.byteLength(text) / 4;
}

function estimatePart(part: MessagePart, count: (text: string) => number): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return count(part.text);
    case 'tool_call':
      return count(part.name + JSON.stringify(part.arguments));
    case 'tool_result':
      return count(part.content);
    case 'image':
      return perImage;
    case 'file':
      return perFile;
  }
}
