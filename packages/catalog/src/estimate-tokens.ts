import type { FilePart, GenerationRequest, GenerationSettings, MessagePart } from '@aimm/contracts';

/** What of a request counts as input. */
export type Countable = Pick<GenerationRequest, 'messages'> & {
  settings?: Pick<GenerationSettings, 'tools' | 'responseFormat'> | undefined;
};

/** How many tokens of OpenAI's current vocabulary (o200k) texts have together; at least roughly. */
export type CountTokens = (texts: readonly string[]) => number;

/**
 * How many tokens a request will count as input at a provider of this kind: a guess for admission and for broken
 * streams, never for bills. On the high side, since admission must not fall short.
 *
 * Text, tool definitions and a JSON schema by `count`, times what the vendor's own vocabulary makes of it; without `count`
 * four UTF-8 bytes are one token, which holds for prose and code (one CJK character is three bytes and most of a token).
 * Images count as the largest that the vendor's current models scale one down to, whatever their size: that takes no
 * decoding. Files of text count as their text; of other files 50 kB are a page, and a page is 2,000 tokens; behind an
 * address three pages are assumed.
 */
export function estimateTokens({ messages, settings }: Countable, kind: string, count: CountTokens = countByBytes) {
  const { factor, image, tools: perTools } = countsOf[kind] ?? otherCounts;
  const texts: string[] = [];
  let tokens = messages.length * perMessage;
  for (const { content } of messages) {
    for (const part of content) {
      const text = toText(part);
      if (text !== undefined) texts.push(text);
      else if (part.type === 'image') tokens += image;
      else if (part.type === 'file') tokens += toPages(part) * perPage;
    }
  }
  const { tools = [], responseFormat: format } = settings ?? {};
  for (const tool of tools) texts.push(JSON.stringify(tool));
  if (tools.length > 0) tokens += perTools + tools.length * perTool;
  if (format?.type === 'json_schema') texts.push(JSON.stringify(format.schema));
  return Math.ceil(tokens + count(texts) * factor);
}

/** What a text of its own will count as, be it written or read. */
export function estimateText(text: string, kind: string, count: CountTokens = countByBytes): number {
  return Math.ceil(count([text]) * (countsOf[kind] ?? otherCounts).factor);
}

interface KindCounts {
  /** How many tokens the vendor's vocabulary makes of what o200k makes one of, in English prose and code. */
  factor: number;
  /** Tokens of an image. */
  image: number;
  /** What the vendor adds to the prompt as soon as there are tools. */
  tools: number;
}

/**
 * OpenAI's vocabulary is o200k itself. Anthropic's since Claude 4.7 makes about a third more. Gemini's is a little larger
 * than o200k and splits numbers into digits; Mistral's is smaller. Images: OpenAI 85 + 170 for each of up to eight
 * squares of 512 pixels; Anthropic one for 750 pixels, up to 1,600; Gemini 3 1,120; Mistral one for 28 × 28 pixels of up to
 * 1,540 × 1,540.
 */
const countsOf: Readonly<Record<string, KindCounts>> = {
  openai: { factor: 1, image: 1_445, tools: 20 },
  anthropic: { factor: 4 / 3, image: 1_600, tools: 350 },
  google: { factor: 1.05, image: 1_120, tools: 20 },
  mistral: { factor: 1.1, image: 3_025, tools: 50 },
};
/** What a local server runs is anybody's guess; open models have 32,000 to 200,000 words, the older ones fewer. */
const otherCounts: KindCounts = { factor: 1.15, image: 1_445, tools: 100 };

const perMessage = 4;
const perTool = 8;
const perPage = 2_000;
const bytesPerPage = 50_000;
const pagesBehindAddress = 3;

function countByBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 4;
}

/** Undefined for what is no text. */
function toText(part: MessagePart): string | undefined {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text;
    case 'tool_call':
      return part.name + JSON.stringify(part.arguments);
    case 'tool_result':
      return part.content;
    case 'file':
      return part.data !== undefined && /^text\/|^application\/json$/.test(part.mediaType)
        ? Buffer.from(part.data, 'base64').toString('utf8')
        : undefined;
    case 'image':
      return undefined;
  }
}

function toPages({ data, url }: FilePart): number {
  const base64 = data ?? (url?.startsWith('data:') ? url : undefined);
  return base64 === undefined ? pagesBehindAddress : Math.max(1, Math.ceil((base64.length * 3) / 4 / bytesPerPage));
}
