import type { Shutdown } from '@aimm/runtime';
import * as z from 'zod';

/** What a supervisor sends its children over their IPC channel. */
export const ParentMessage = z.discriminatedUnion('type', [
  /** The whole environment of the providers, anew: keys, endpoints, demo. Replaces what was sent before. */
  z.object({ type: z.literal('environment'), environment: z.record(z.string(), z.string()) }),
]);
export type ParentMessage = z.infer<typeof ParentMessage>;

/** What the provider says of a key of the environment. `mark`: which one it is (`toKeyMark`). */
export const KeyVerdict = z.object({ provider: z.string(), mark: z.string(), refused: z.boolean() });
export type KeyVerdict = z.infer<typeof KeyVerdict>;

/** What a child tells its supervisor. */
export const ChildMessage = z.discriminatedUnion('type', [
  /** It does its work now. `url`: where it listens. */
  z.object({ type: z.literal('ready'), url: z.string().optional() }),
  /** A worker read the database: these providers have keys there. */
  z.object({ type: z.literal('stored-keys'), providers: z.array(z.string()) }),
  /** A provider refused a key of the environment, or accepts it again. */
  KeyVerdict.extend({ type: z.literal('key') }),
]);
export type ChildMessage = z.infer<typeof ChildMessage>;

/** Longer than any closer should take; what hangs must not stay behind for ever. */
const leaveWithinMs = 60_000;

/** Ends this process, gracefully, when the supervisor that started it is gone. Does nothing in a process without one. */
export function leaveWithParent(shutdown: Pick<Shutdown, 'run'>): void {
  if (!process.connected) return;
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), leaveWithinMs).unref();
    void shutdown.run('the supervisor is gone').then(() => process.exit(0));
  });
}

/** Tells the supervisor, where there is one, that this process does its work now. */
export function reportReady(url?: string): void {
  tellParent({ type: 'ready', ...(url !== undefined && { url }) });
}

/** Tells the supervisor, where there is one, which providers have keys in the database. */
export function reportStoredKeys(providers: string[]): void {
  tellParent({ type: 'stored-keys', providers });
}

/** Tells the supervisor, where there is one, what a provider says of a key of the environment. */
export function reportKey(verdict: KeyVerdict): void {
  tellParent({ type: 'key', ...verdict });
}

function tellParent(message: ChildMessage): void {
  // Nobody to tell any more is what `leaveWithParent` is for.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Calls `listener` with each provider environment that the supervisor sends. */
export function onProviderEnvironment(listener: (environment: Record<string, string>) => void): void {
  process.on('message', (received: unknown) => {
    const message = ParentMessage.safeParse(received).data;
    if (message !== undefined) listener(message.environment);
  });
}
