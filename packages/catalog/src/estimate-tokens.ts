import type { Message, MessagePart } from '@aimm/contracts';

/**
 * How many tokens a conversation will count as input: a cheap guess for admission, never for bills.
 *
 * Basis: about four UTF-8 bytes a token for the vendors' current vocabularies in prose and code (one CJK character is
 * three bytes and most of a token); Anthropic's since Claude 4.7 counts some 30 % more for the same text. Images and
 * files by flat sizes, as their real count needs the vendor: a full-size image is 700 to 1,600, a page 1,500 to 3,000.
 */
export function estimateTokens(messages: readonly Message[], kind: string): number {
  const bytesPerToken = kind === 'anthropic' ? 3 : 4;
  let tokens = 0;
  for (const message of messages) {
    tokens += perMessage;
    for (const part of message.content) tokens += estimatePart(part, bytesPerToken);
  }
  return Math.ceil(tokens);
}

const perMessage = 4;
const perImage = 1_200;
const perFile = 6_000;

function estimatePart(part: MessagePart, bytesPerToken: number): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return Buffer.byteLength(part.text) / bytesPerToken;
    case 'tool_call':
      return (part.name.length + Buffer.byteLength(JSON.stringify(part.arguments))) / bytesPerToken;
    case 'tool_result':
      return Buffer.byteLength(part.content) / bytesPerToken;
    case 'image':
      return perImage;
    case 'file':
      return perFile;
  }
}
