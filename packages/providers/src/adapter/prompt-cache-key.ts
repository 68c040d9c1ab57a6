import { createHash } from 'node:crypto';
import type { GenerationRequest } from '@aimm/contracts';
import { textOf } from './conversation.ts';

/**
 * A key that requests with the same beginning share, for vendors that route by it to where the beginning is kept:
 * the model, the tools and the system prompt, or the first turn where there is neither.
 */
export function toPromptCacheKey({ model, messages, settings }: GenerationRequest): string {
  const system = messages.filter(({ role }) => role === 'system').map(textOf);
  const first = system.length === 0 && settings.tools === undefined ? messages.slice(0, 1).map(textOf) : [];
  const beginning = JSON.stringify([model, settings.tools ?? [], system, first]);
  return createHash('sha256').update(beginning).digest('hex').slice(0, 32);
}
