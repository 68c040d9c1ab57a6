import { ModelManagerError } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import { ConfigError } from '@aimm/runtime';
import type { ManagerConnection } from './connect-manager.ts';

/** A connection that is made by the first call that needs it, and tried anew by the next when that failed. */
export interface LazyConnection {
  /** @throws ModelManagerError */
  manager(): Promise<Manager>;
  /** @throws ConfigError, ModelManagerError */
  connect(): Promise<ManagerConnection>;
  /** Closes what was opened; what is still opening is left to the end of the process. */
  close(): Promise<void>;
}

export function createLazyConnection(open: () => Promise<ManagerConnection>): LazyConnection {
  let opening: Promise<ManagerConnection> | undefined;
  let opened: ManagerConnection | undefined;
  const connect = () => {
    opening ??= open().then(
      (connection) => (opened = connection),
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  return {
    connect,
    async manager() {
      try {
        const connection = await connect();
        return await connection.manager();
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        throw new ModelManagerError('unavailable', error.message, {
          hint: 'Correct the configuration and restart the server.',
        });
      }
    },
    close: async () => opened?.close(),
  };
}
