import { PrismaPg } from '@prisma/adapter-pg';
import type { Logger } from '@aimm/runtime';
import pg, { type ClientBase, type PoolConfig } from 'pg';
import { PrismaClient } from '../generated/postgresql/client.ts';
import { type Client, type Connection, transactionOptions } from './client.ts';

/** How a connection is made, here and for migrations. A server that does not answer is given up after 5 s. */
export function createPoolConfig(url: string): PoolConfig {
  return {
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: 'ai-model-manager',
  };
}

/** Between two statements of a transaction; ours follow each other at once. */
const idleTransactionMs = 30_000;

/**
 * A process that vanished in the middle of a transaction would keep its locks until the server notices, which may take hours. Set by
 * a statement, since poolers refuse such settings in a connection's first message.
 */
async function limitIdleTransactions(connection: ClientBase): Promise<void> {
  await connection.query(`SET idle_in_transaction_session_timeout = ${idleTransactionMs}`);
}

export async function openPostgres(url: string, logger: Logger | undefined): Promise<Connection> {
  // A peer that vanished without a word is noticed after `query_timeout`; no query of ours takes nearly as long.
  const pool = new pg.Pool({
    ...createPoolConfig(url),
    max: 10,
    query_timeout: 30_000,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, whatever its type says
    onConnect: limitIdleTransactions,
  });
  // One whose ROLLBACK waited behind such a query comes back with its transaction open: the next would write into that, and lose it.
  pool.on('release', (_error, connection) => {
    if (connection.getTransactionStatus() !== 'I') void connection.end();
  });
  const onPoolError = (error: Error) => logger?.warn({ reason: error.message }, 'A PostgreSQL connection was lost');
  const adapter = new PrismaPg(pool, { onPoolError, onConnectionError: onPoolError, disposeExternalPool: true });
  const client = new PrismaClient({ adapter, transactionOptions });
  await client.$connect();
  // Neither client type is assignable to the other, though every call made through the narrower one exists on both.
  return { client: client as unknown as Client, close: () => client.$disconnect() };
}
