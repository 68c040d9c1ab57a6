import { type GenerationSettings, ModelManagerError } from '@aimm/contracts';
import { checkJsonSchema, JsonSchemaError } from '@aimm/runtime';

/**
 * Refuses a schema that no answer could be held against, before anything is queued. `rule`: whose it is, where the request brings none.
 *
 * @throws invalid_request naming the place in the schema
 */
export async function requireUsableSchema(
  { responseFormat: format }: GenerationSettings,
  rule?: string,
): Promise<void> {
  if (format?.type !== 'json_schema') return;
  try {
    await checkJsonSchema(format.schema);
  } catch (error) {
    if (!(error instanceof JsonSchemaError)) throw error;
    const place = ['response_format.schema', error.path].filter((part) => part !== '').join('.');
    const whose = rule === undefined ? '' : ` of the rule ${rule} in config/routing.json`;
    throw new ModelManagerError('invalid_request', `${place}${whose}: ${error.message}.`, {
      hint: 'Nothing was sent. The schema must be a JSON Schema (draft 2020-12) that refers to nothing outside of it.',
      cause: error,
    });
  }
}

const mostKnown = 1_000;

/** {@link requireUsableSchema} for settings of which many bring the same schema: each is looked at once. */
export function createSchemaCheck(): typeof requireUsableSchema {
  const usable = new Set<string>();
  return async (settings) => {
    if (settings.responseFormat?.type !== 'json_schema') return;
    const key = JSON.stringify(settings.responseFormat.schema);
    if (usable.has(key)) return;
    await requireUsableSchema(settings);
    if (usable.size >= mostKnown) usable.clear();
    usable.add(key);
  };
}
