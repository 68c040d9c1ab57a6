import type { ErrorBody } from './error-body.ts';

/** How long a prompt was and how long it may be, in tokens, as far as the vendor says. */
export interface ContextOverflow {
  limit?: number;
  /** The prompt, and the answer's room where the vendor counts it in. */
  requested?: number;
}

/**
 * The vendors' sentences, as they stand in the answers of their APIs; compatible servers borrow from each other. More
 * telling ones first.
 */
const sentences: readonly RegExp[] = [
  // Anthropic: prompt is too long: 210000 tokens > 200000 maximum
  /prompt is too long: (?<requested>\d+) tokens > (?<limit>\d+)/i,
  // Anthropic: input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000
  /exceeds? context limit: (?<requested>\d+) \+ (?<room>\d+) > (?<limit>\d+)/i,
  // Google: The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).
  /input token count \(?(?<requested>\d+)\)? exceeds the maximum[^(]*\((?<limit>\d+)\)/i,
  // Mistral: Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length
  /contains (?<requested>\d+) tokens\b.*too large for model with (?<limit>\d+) maximum context length/i,
  // vLLM: … maximum context length is 4096 tokens and your request has 4000 input tokens (200 > 4096 - 4000)
  /(?<room>\d+)\. This model's maximum context length is (?<limit>\d+) tokens and your request has (?<requested>\d+) input/i,
  // OpenAI, vLLM, OpenRouter: … maximum context length is 4096 tokens. However, you requested [about] 5000 tokens (…)
  /maximum context length is (?<limit>\d+) tokens\b.*?(?:requested|resulted in)(?: about)? (?<requested>\d+) (?:\w+ )?tokens/i,
  // vLLM: … maximum context length is 4096 tokens … your request has [at least] 5000 input tokens
  /maximum context length is (?<limit>\d+) tokens\b.*?(?:request|prompt) (?:has|contains)(?: at least)? (?<requested>\d+)/i,
  // vLLM: The decoder prompt (length 5951) is longer than the maximum model length of 4096.
  /prompt \((?:total )?length (?<requested>\d+)\) is longer than the maximum model length of (?<limit>\d+)/i,
  // llama.cpp, and Ollama, which runs it: request (5000 tokens) exceeds the available context size (4096 tokens)
  /request \((?<requested>\d+) tokens\) exceeds the available context size \((?<limit>\d+) tokens\)/i,
  // LM Studio: Trying to keep the first 5000 tokens … the model is loaded with context length of only 4096 tokens
  /keep the first (?<requested>\d+) tokens\b.*context length of only (?<limit>\d+) tokens/i,
  // llama-cpp-python: Requested tokens (2285) exceed context window of 2048
  /requested tokens \((?<requested>\d+)\) exceed context window of (?<limit>\d+)/i,
  /too large for model with (?<limit>\d+) maximum context length/i,
  /maximum context length is (?<limit>\d+)/i,
  /(?:available context size|context (?:length|window|size)(?: of)?) \(?(?<limit>\d+)/i,
];

/** Reads the numbers out of a refusal for its length; nothing else of the vendor's text gets through. */
export function findContextOverflow({ message, counts }: ErrorBody): ContextOverflow {
  for (const sentence of sentences) {
    const found = sentence.exec(withoutSeparators(message))?.groups;
    if (found === undefined) continue;
    const { limit, requested, room } = found;
    return {
      ...(limit !== undefined && { limit: Number(limit) }),
      ...(requested !== undefined && { requested: Number(requested) + Number(room ?? 0) }),
      ...counts,
    };
  }
  return counts ?? {};
}

/** OpenAI and Groq, of a request that alone has more tokens than the account may use in a minute: it will never fit. */
export function isLargerThanRate({ message }: ErrorBody): boolean {
  return /request too large for|must be reduced in order to run/i.test(message);
}

/** How many tokens such a request has, as the vendor counts them, and how many a minute has. */
export function findRateOverflow({ message }: ErrorBody): ContextOverflow {
  const found = /limit (?<limit>\d+), requested (?<requested>\d+)/i.exec(withoutSeparators(message))?.groups;
  return found === undefined ? {} : { limit: Number(found['limit']), requested: Number(found['requested']) };
}

function withoutSeparators(message: string): string {
  return message.replaceAll(/(\d)[,_](?=\d{3})/g, '$1');
}
