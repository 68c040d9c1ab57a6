import * as z from 'zod';

/** What a client may do. `generate`: ask, and end what it asked; `read`: look at what is its own; `admin`: everything, and everybody's. */
export const AccessScope = z.enum(['generate', 'read', 'admin']);
export type AccessScope = z.infer<typeof AccessScope>;

/** Limits that a client brings along, over all workers; absent: none. */
export const ClientLimits = z.object({
  requestsPerMinute: z.number().int().positive().optional(),
  tokensPerMinute: z.number().int().positive().optional(),
  /** Calls at once. */
  concurrency: z.number().int().positive().optional(),
});
export type ClientLimits = z.infer<typeof ClientLimits>;

/** What a client may spend in each day or month. */
export const ClientBudget = z.object({
  period: z.enum(['day', 'month']),
  limitNanoUsd: z.number().int().positive(),
  /** Where the period's midnight is, as an IANA name. */
  timeZone: z.string(),
});
export type ClientBudget = z.infer<typeof ClientBudget>;

/** The name of an access token, which is the client's: it stands in keys of Redis, and everybody's own budgets are told apart by it. */
export const ClientName = z
  .string()
  .regex(/^[a-zA-Z0-9][\w.-]{0,63}$/, 'expected letters, digits, dots, dashes and underscores, at most 64')
  .refine((name) => !reservedClients.has(name), 'is a name of our own');

/** Who is somebody without an access token. */
const reservedClients: ReadonlySet<string> = new Set(['local', 'dashboard']);
