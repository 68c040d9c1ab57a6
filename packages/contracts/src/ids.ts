import * as z from 'zod';

/** `gen_`, `cmp_` or `bat_` followed by a UUIDv7: minted by the front, handed to the user as `job_id`. */
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';

export const GenerationId = z.string().regex(new RegExp(`^gen_${uuid}$`), 'expected an id like gen_0198c0de-…');
export const ComparisonId = z.string().regex(new RegExp(`^cmp_${uuid}$`), 'expected an id like cmp_0198c0de-…');
export const RequestId = z
  .string()
  .regex(new RegExp(`^(gen|cmp|bat)_${uuid}$`), 'expected a job_id like gen_0198c0de-… or cmp_0198c0de-…');
export type RequestId = z.infer<typeof RequestId>;

/** What an id stands for, read off its prefix. */
export const requestKinds = { gen: 'generation', cmp: 'comparison', bat: 'batch' } as const;
export type RequestKind = (typeof requestKinds)[keyof typeof requestKinds];

/** A provider's id: names its queue, its environment variables and the first half of `provider/model`. */
export const ProviderId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected lower-case letters, digits and dashes, starting with a letter');
export type ProviderId = z.infer<typeof ProviderId>;
