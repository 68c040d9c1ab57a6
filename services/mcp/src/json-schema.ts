import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import * as z from 'zod';

type Direction = 'input' | 'output';

/**
 * A schema as clients read it, which lets every value through.
 *
 * The SDK would check arguments itself and answer in zod's words, and would turn a paid answer into an error over a
 * fault in our own output. Tools parse strictly in their own wording instead, see `parseInput`. The JSON is made once:
 * over HTTP the SDK builds a server for each request and asks for the schema each time.
 */
export function advertise(schema: z.ZodType, direction: Direction): StandardSchemaWithJSON {
  let json: Record<string, unknown> | undefined;
  const convert = () => (json ??= toJsonSchema(schema, direction));
  return {
    '~standard': {
      version: 1,
      vendor: 'zod',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: convert, output: convert },
    },
  };
}

/** JSON Schema without what zod adds and no client needs: every token of it stands in the model's context. */
function toJsonSchema(schema: z.ZodType, io: Direction): Record<string, unknown> {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema }) => {
      delete jsonSchema.propertyNames;
      // Beside a named format, the pattern only repeats it in a few hundred characters.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  return json;
}
