import * as z from 'zod';
import { ModelManagerError } from './errors.ts';

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
  .refine((name) => !reservedClients.has(name), 'expected another name: that one is ours');

/** Who is somebody without an access token. */
const reservedClients: ReadonlySet<string> = new Set(['local', 'dashboard']);

/** Of whoever asks, what decides what it may do. `scopes` absent: it came without an access token and may do all of it. */
interface Scoped {
  client: string;
  admin: boolean;
  scopes?: readonly AccessScope[] | undefined;
}

/** Whether the caller has one of the scopes. */
export function hasScope({ admin, scopes }: Scoped, wanted: readonly AccessScope[]): boolean {
  return admin || scopes === undefined || wanted.some((scope) => scopes.includes(scope));
}

/** `what`: the start of a sentence. @throws permission naming the scope that is needed */
export function requireScope(caller: Scoped, wanted: readonly AccessScope[], what: string): void {
  if (hasScope(caller, wanted)) return;
  const had = caller.scopes?.length ? caller.scopes.join(', ') : 'none';
  throw new ModelManagerError(
    'permission',
    `${what} needs an access token with the scope ${wanted.join(' or ')}; that of "${caller.client}" has ${had}.`,
    { hint: `Ask whoever runs this server for one: \`aimm tokens create --name … --scopes ${wanted[0]}\`.` },
  );
}
