import { openControlConnection } from './control-connection.ts';
import type { StackInfo } from './protocol.ts';
import { toStackPaths } from './stack-paths.ts';
import { version } from './version.ts';

/** A running stack, looked at from outside: looking does not keep it alive. */
export interface FoundStack {
  readonly info: StackInfo;
  /** Asks it to stop; settles when it has. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** As long as a stack may take to start or fail, in milliseconds: for whoever waits for one that is starting. */
export const startPatienceMs = 25_000;

/** The stack of a data directory, where one runs; never starts one. */
export async function findStack(dataDir: string, timeoutMs?: number): Promise<FoundStack | undefined> {
  const found = await lookForStack(dataDir, timeoutMs);
  return found === 'starting' ? undefined : found;
}

/** The same; `starting` where one is there that is not ready within `timeoutMs`, or hangs. */
export async function lookForStack(dataDir: string, timeoutMs = 5_000): Promise<FoundStack | 'starting' | undefined> {
  const hello = { type: 'hello', pid: process.pid, version, role: 'observer', environment: {} } as const;
  const connection = await openControlConnection(toStackPaths(dataDir).controlSocket, hello, timeoutMs);
  if (connection === undefined || connection === 'starting') return connection;
  return {
    get info() {
      return connection.info();
    },
    stop: async () => {
      connection.send({ type: 'stop' });
      await connection.closed;
    },
    close: () => connection.close(),
  };
}
