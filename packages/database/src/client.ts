import type { PrismaClient } from '../generated/sqlite/client.ts';

/**
 * The client that the repositories are written against: SQLite's, whose interface is the narrower of the two.
 * The PostgreSQL client is handed out under this type (see `postgres-connection.ts`) and every repository test runs on both.
 */
export type Client = PrismaClient;

/** One open database: its client and how to let go of it. */
export interface Connection {
  client: Client;
  close: () => Promise<void>;
}

/** `maxWait` leaves the SQLite adapter the time it takes to come by the write lock; milliseconds. */
export const transactionOptions = { maxWait: 12_000, timeout: 10_000 };
