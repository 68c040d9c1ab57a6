import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';

export const databaseKinds = ['sqlite', 'postgresql'] as const;

/** The URL of an empty database that nobody else uses; it goes with the run. */
export async function createEmptyDatabase(kind: (typeof databaseKinds)[number]): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  if (kind === 'sqlite') return `file:${join(inject('dir'), `${name}.db`)}`;
  const server = new URL(inject('postgresUrl'));
  const client = new pg.Client(server.href);
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  server.pathname = `/${name}`;
  return server.href;
}
