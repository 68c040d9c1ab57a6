import { ModelManagerError } from '@aimm/contracts';
import type * as z from 'zod';
import { toStorableJson } from './storable.ts';

/** A row that this version does not understand: another one wrote it, or somebody changed it. The message says which, and why. */
export class UnreadableError extends ModelManagerError {
  override name = 'UnreadableError';

  constructor(what: string, why: string) {
    super('internal', `${what} cannot be read: ${why}.`, {
      hint: 'Another version of AI Model Manager may have written it: run the same one everywhere.',
    });
  }
}

/** What `schema` makes of JSON that is stored. `what`: whose it is, the start of a sentence. @throws UnreadableError */
export function parseStored<Schema extends z.ZodType>(schema: Schema, json: string, what: string): z.output<Schema> {
  const parsed = schema.safeParse(parseJson(json, what));
  if (parsed.success) return parsed.data;
  throw new UnreadableError(what, describe(parsed.error));
}

/**
 * JSON of `value` that both databases take, and that {@link parseStored} takes when it comes back: a text may be empty by then.
 * @throws invalid_request naming the place
 */
export function toReadableJson(schema: z.ZodType, value: unknown, what: string): string {
  const json = toStorableJson(value);
  const { error } = schema.safeParse(JSON.parse(json));
  if (error === undefined) return json;
  throw new ModelManagerError('invalid_request', `${what} cannot be stored: ${describe(error)}.`, {
    hint: 'Nothing was started. A text must be more than characters U+0000, and a number within its bounds.',
  });
}

function parseJson(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // What it says shows some of the text.
    throw new UnreadableError(what, 'it is no JSON');
  }
}

/** What was expected and where; never a value. */
function describe({ issues: [first] }: z.ZodError): string {
  if (first === undefined) return 'it is something else';
  return [first.path.map(String).join('.'), first.message].filter((text) => text !== '').join(': ');
}
