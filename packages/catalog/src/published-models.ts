import * as z from 'zod';

// Read leniently: the list is other people's, it grows fields by the month, and one odd entry must not hide the rest.
const maybe = <T extends z.ZodType>(schema: T) => schema.optional().catch(undefined);
const size = maybe(z.int().positive());
const PublishedModel = z.object({
  name: maybe(z.string()),
  reasoning: maybe(z.boolean()),
  tool_call: maybe(z.boolean()),
  temperature: maybe(z.boolean()),
  structured_output: maybe(z.boolean()),
  release_date: maybe(z.string()),
  status: maybe(z.string()),
  modalities: maybe(z.object({ input: maybe(z.array(z.string())), output: maybe(z.array(z.string())) })),
  limit: maybe(z.object({ context: size, output: size })),
});
export type PublishedModel = z.infer<typeof PublishedModel>;

/** Models by vendor and id, as https://models.dev/api.json has them. */
export type PublishedModels = ReadonlyMap<string, ReadonlyMap<string, PublishedModel>>;

const Published = z.record(
  z.string(),
  z
    .object({ models: z.record(z.string(), PublishedModel.catch({})) })
    .optional()
    .catch(undefined),
);

/** Undefined when `value` is no such list: not one vendor with a model in it. */
export function parsePublishedModels(value: unknown): PublishedModels | undefined {
  const vendors = Object.entries(Published.safeParse(value).data ?? {}).flatMap(([vendor, entry]) =>
    entry === undefined || Object.keys(entry.models).length === 0
      ? []
      : [[vendor, new Map(Object.entries(entry.models))] as const],
  );
  return vendors.length === 0 ? undefined : new Map(vendors);
}
