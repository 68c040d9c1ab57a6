import { createDatabase, type DatabaseOptions } from './create-database.ts';
import type { Database } from './database.ts';

export interface DatabaseOnDemand {
  /** Opens the database at the first call; after a failure the next call tries anew. @throws ModelManagerError `unavailable` */
  get(): Promise<Database>;
  close(): Promise<void>;
}

/** For processes that start before their database does, or without needing it at once. */
export function createDatabaseOnDemand(options: DatabaseOptions): DatabaseOnDemand {
  let opening: Promise<Database> | undefined;
  return {
    get() {
      opening ??= createDatabase(options).catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    async close() {
      const database = await opening?.catch(() => undefined);
      await database?.close();
    },
  };
}
