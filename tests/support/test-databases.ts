import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';

export const databaseKinds = ['sqlite', 'postgresql'] as const;

/**
 * The URL of an empty database that nobody else uses; it goes with the run. `locale`: how PostgreSQL sorts; else by bytes.
 * `serverUrl`: of another PostgreSQL than that of the run.
 */
export async function createEmptyDatabase(
  kind: (typeof databaseKinds)[number],
  { locale, serverUrl }: { locale?: string; serverUrl?: string } = {},
): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  if (kind === 'sqlite') return `file:${join(inject('dir'), `${name}.db`)}`;
  const server = new URL(serverUrl ?? inject('postgresUrl'));
  const client = new pg.Client(server.href);
  await client.connect();
  try {
    const sorting = locale === undefined ? '' : ` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '${locale}'`;
    await client.query(`CREATE DATABASE ${name}${sorting}`);
  } finally {
    await client.end();
  }
  server.pathname = `/${name}`;
  return server.href;
}
