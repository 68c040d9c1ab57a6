import type { GenerationRequest } from '@aimm/contracts';

/** What Ollama gives a model on a machine with little memory, unless it is told otherwise. */
export const smallestWindow = 4096;

/** Room for an answer whose length nobody limited. */
const usualAnswer = 1024;
/** An image is some hundred to a thousand tokens, by the model. */
const perImage = 1024;
const perMessage = 8;
/** Fewer than any vocabulary needs, for prose: a window too small is an error, one too large only memory. */
const bytesPerToken = 3;

/** How many tokens the prompt and its answer may come to. On the high side. */
export function toNeededWindow({ messages, settings }: GenerationRequest): number {
  let tokens = settings.maxOutputTokens ?? usualAnswer;
  tokens += JSON.stringify(settings.tools ?? []).length / bytesPerToken;
  for (const part of messages.flatMap(({ content }) => content)) {
    if (part.type === 'text') tokens += Buffer.byteLength(part.text) / bytesPerToken;
    else if (part.type === 'tool_result') tokens += Buffer.byteLength(part.content) / bytesPerToken;
    else if (part.type === 'tool_call') tokens += JSON.stringify(part.arguments).length / bytesPerToken;
    else if (part.type === 'image') tokens += perImage;
  }
  return Math.ceil(tokens + messages.length * perMessage);
}

/**
 * The `num_ctx` to ask for. Each other size has Ollama load the model anew, so that sizes double, and there is none
 * where the window that the server gives by itself will do. Never above what the model was made for.
 */
export function toContextWindow(needed: number, given: number, ofModel: number | undefined): number | undefined {
  if (needed <= given || ofModel === undefined || ofModel <= given) return undefined;
  let window = given;
  while (window < needed) window *= 2;
  return Math.min(window, ofModel);
}
