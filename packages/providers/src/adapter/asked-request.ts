import type { GenerationRequest, ModelInfo, Warning } from '@aimm/contracts';
import type { ProviderSettings } from '../model-provider.ts';
import { keepSpoken } from './conversation.ts';
import { putSchemaInPrompt } from './schema-in-prompt.ts';

/**
 * What is the same before every vendor's own mapping: turns of nothing fall out, a schema goes where the model reads it.
 *
 * @throws invalid_request where nothing is left to ask
 */
export function toAskedRequest(
  { id }: Pick<ProviderSettings, 'id'>,
  request: GenerationRequest,
  info: ModelInfo | undefined,
  schemaMode: boolean,
): { request: GenerationRequest; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const spoken = { ...request, messages: keepSpoken(request.messages, id, warnings) };
  const asked = putSchemaInPrompt(id, spoken, info, schemaMode);
  return { request: asked.request, warnings: [...warnings, ...asked.warnings] };
}
