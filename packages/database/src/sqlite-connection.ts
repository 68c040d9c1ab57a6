import { PrismaClient } from '../generated/sqlite/client.ts';
import { type Connection, transactionOptions } from './client.ts';
import { toSqlitePath } from './database-url.ts';
import { createSqliteFactory } from './sqlite-adapter.ts';

export async function openSqlite(url: string): Promise<Connection> {
  const client = new PrismaClient({ adapter: createSqliteFactory(toSqlitePath(url)), transactionOptions });
  await client.$connect();
  return { client, close: () => client.$disconnect() };
}
