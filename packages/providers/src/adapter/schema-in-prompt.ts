import type { GenerationRequest, JsonObject, Message, ModelInfo, Warning } from '@aimm/contracts';

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
  const { responseFormat: format, ...settings } = request.settings;
  const can = info?.capabilities;
  const isNative = can === undefined ? byDefault : can.includes('json_schema');
  if (format?.type !== 'json_schema' || isNative) return { request, warnings: [] };
  const message = `The prompt asks for the schema, since ${provider}/${request.model} is not known to have a mode for it; the answer is checked.`;
  return {
    request: {
      ...request,
      messages: askForSchema(request.messages, format.schema),
      settings: { ...settings, ...(can?.includes('json') === true && { responseFormat: { type: 'json' } }) },
    },
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
