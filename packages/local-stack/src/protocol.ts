import * as z from 'zod';

/** What a client can know of a running stack. Times are epoch milliseconds; never holds a key. */
export const StackInfo = z.object({
  pid: z.number().int(),
  version: z.string(),
  /** What it runs, as `readBuild` gives it; absent: of a version that had no such mark. */
  build: z.string().optional(),
  dataDir: z.string(),
  /** `unix:/…` of the private server, or the REDIS_URL that the stack was given. */
  redisUrl: z.string(),
  /** `file:/…`, or the DATABASE_URL that the stack was given. */
  databaseUrl: z.string(),
  dashboardUrl: z.string().optional(),
  httpUrl: z.string().optional(),
  /** Whether prompts and answers may outlive their requests; absent: they may. */
  storesContent: z.boolean().optional(),
  /** Demo answers instead of providers. */
  demo: z.boolean(),
  /** Ids of the providers that have what they need. */
  configured: z.array(z.string()),
  startedAt: z.number(),
  /** Runs in somebody's terminal (`aimm up`), so it does not leave when idle. */
  foreground: z.boolean(),
  workers: z.number().int(),
  clients: z.number().int(),
  /** What does not work at the moment, as sentences. */
  problems: z.array(z.string()),
  /** What it was started with, of what clients cannot change (`toStackSettings`); absent: an older one. */
  settings: z.record(z.string(), z.string()).optional(),
});
export type StackInfo = z.infer<typeof StackInfo>;

/** From a client to its stack, one JSON object a line. */
export const ClientMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    pid: z.number().int(),
    version: z.string(),
    /** `client`: keeps the stack alive while connected. `observer`: only looks. */
    role: z.enum(['client', 'observer']),
    /** Provider keys and endpoints of the client's environment; kept in memory only. */
    environment: z.record(z.string(), z.string()),
  }),
  /** The client runs an HTTP front beside the stack. Holds until it disconnects. */
  z.object({ type: z.literal('announce'), httpUrl: z.string() }),
  z.object({ type: z.literal('stop') }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

/** From the stack to a client. */
export const StackMessage = z.discriminatedUnion('type', [
  /** The stack is ready. */
  z.object({ type: z.literal('welcome'), info: StackInfo }),
  z.object({ type: z.literal('info'), info: StackInfo }),
  /** It could not start, and is leaving. */
  z.object({ type: z.literal('failed'), problem: z.string() }),
  z.object({ type: z.literal('stopping') }),
]);
export type StackMessage = z.infer<typeof StackMessage>;
