import type { GenerationRequest, JsonObject, Message, ModelInfo, Warning } from '@aimm/contracts';
import { askForJson } from './conversation.ts';

/**
 * For a model that cannot be held to a schema: the same request with the schema in its prompt. Whoever asked holds the
 * answer against the schema in any case.
 *
 * `byDefault`: whether models of the vendor of which nothing is known have a mode for schemas.
 */
export function putSchemaInPrompt(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
  byDefault: boolean,
): { request: GenerationRequest; warnings: Warning[] } {
  const can = info?.capabilities;
  const isNative = can === undefined ? byDefault : can.includes('json_schema');
  if (request.settings.responseFormat?.type !== 'json_schema' || isNative) return { request, warnings: [] };
  const asked = putFormatInPrompt(provider, request, 'is not known to have a mode for it');
  const isJson = can?.includes('json') === true;
  const settings = { ...asked.request.settings, ...(isJson && { responseFormat: { type: 'json' as const } }) };
  return { ...asked, request: { ...asked.request, settings } };
}

/** The same request with the form of its answer in the prompt alone, a schema or plain JSON; `why`: what is with the model. */
export function putFormatInPrompt(
  provider: string,
  request: GenerationRequest,
  why: string,
): { request: GenerationRequest; warnings: Warning[] } {
  const { responseFormat: format, ...settings } = request.settings;
  if (format === undefined || format.type === 'text') return { request, warnings: [] };
  const isSchema = format.type === 'json_schema';
  const messages = isSchema
    ? askForSchema(request.messages, format.schema)
    : askForJson(request.messages, provider, []);
  const message = `The prompt asks for ${isSchema ? 'the schema' : 'JSON'}, since ${provider}/${request.model} ${why}; the answer is checked.`;
  return {
    request: { ...request, messages, settings },
    warnings: [{ code: 'adjusted_setting', setting: 'responseFormat', message }],
  };
}

/** The messages with the schema in the system prompt. */
export function askForSchema(messages: readonly Message[], schema: JsonObject): Message[] {
  const rule = 'Answer with JSON that satisfies this JSON Schema, and with nothing else:';
  return addInstruction(messages, `${rule}\n${JSON.stringify(schema)}`);
}

/** Into the system prompt there is: chat templates of local models often take one only, at the beginning. */
function addInstruction(messages: readonly Message[], instruction: string): Message[] {
  const at = messages.findIndex(({ role }) => role === 'system');
  const existing = messages[at];
  if (existing === undefined) return [{ role: 'system', content: [{ type: 'text', text: instruction }] }, ...messages];
  const content = [...existing.content, { type: 'text' as const, text: `\n\n${instruction}` }];
  return messages.with(at, { ...existing, content });
}
