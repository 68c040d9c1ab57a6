import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { connectHttp, connectStdio, type Face, type McpClient } from './mcp-client.ts';
import { type OwnProcess, startProcess, startWorkerProcess } from './processes.ts';
import { createRedisServer, type RedisServer } from './redis-server.ts';
import { startVendors, type Vendors } from './vendors.ts';

/** Everything there is, as real processes: Redis, SQLite, a worker, fronts; only the vendors are stand-ins. */
export interface Deployment {
  readonly dir: string;
  readonly redis: RedisServer;
  readonly vendors: Vendors;
  readonly worker: OwnProcess | undefined;
  /** What fronts are started with. It names the keys too, as a client's configuration would. */
  readonly environment: Record<string, string>;
  /** A new client; over HTTP all share one front, and bring the token of the environment where no other is given. */
  connect(face: Face, accessToken?: string): Promise<McpClient>;
  /** The HTTP front, once a client has used it; the next client gets a new one where it has ended. */
  httpFront(): OwnProcess | undefined;
  /** What the HTTP front wrote to stderr. */
  httpLog(): string;
  /** The ids of every request, job and question to a worker that left a trace in Redis. */
  requestIds(): Promise<string[]>;
  end(): Promise<void>;
}

export interface DeploymentOptions {
  /** On top of the vendors' environment, for worker and fronts. */
  environment?: Record<string, string>;
  /** False: nobody works. */
  worker?: boolean;
}

export async function startDeployment(options: DeploymentOptions = {}): Promise<Deployment> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-e2e-'));
  const [redis, vendors] = await Promise.all([createRedisServer(dir), startVendors()]);
  const environment = {
    LOG_LEVEL: 'debug',
    ...vendors.environment,
    REDIS_URL: redis.url,
    DATABASE_URL: `file:${join(dir, 'aimm.db')}`,
    AIMM_DATA_DIR: join(dir, 'data'),
    HTTP_PORT: '0',
    ...options.environment,
  };
  const worker = options.worker === false ? undefined : await startWorkerProcess(environment);
  const clients: McpClient[] = [];
  let front: Promise<HttpFront> | undefined;
  let httpFront: OwnProcess | undefined;
  const openFront = () =>
    (front ??= startHttpFront(environment).then((started) => {
      httpFront = started.process;
      void started.process.exited.then(() => (front = undefined));
      return started;
    }));
  const probe = redis.client();

  return {
    dir,
    redis,
    vendors,
    worker,
    environment,
    async connect({ transport, era, extensions }, accessToken) {
      const token = accessToken ?? options.environment?.['AIMM_AUTH_TOKEN'];
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const client =
        transport === 'stdio'
          ? await connectStdio(environment, era, extensions)
          : await connectHttp((await openFront()).url, era, headers, extensions);
      clients.push(client);
      return client;
    },
    httpFront: () => httpFront,
    httpLog: () => httpFront?.log() ?? '',
    requestIds: () => findRequestIds(probe),
    async end() {
      await Promise.all(clients.map((client) => client.close()));
      await (await front)?.process.end();
      await worker?.end();
      await vendors.stop();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface HttpFront {
  process: OwnProcess;
  url: string;
}

/** Starts `aimm mcp --http` and resolves when it listens. @throws with its log when it leaves before */
export function startHttpFront(environment: Record<string, string>): Promise<HttpFront> {
  return startListening(environment, ['mcp', '--http']);
}

/** The same for any command that listens, such as `aimm dashboard`. */
export async function startListening(environment: Record<string, string>, args: string[]): Promise<HttpFront> {
  const own = startProcess('services/cli/bin/aimm.mjs', environment, args);
  const listening = new Promise<string>((resolve) => {
    own.child.on('message', (message) => {
      const { type, url } = message as { type?: string; url?: string };
      if (type === 'ready' && url !== undefined) resolve(url);
    });
  });
  const first = await Promise.race([listening, own.exited]);
  if (typeof first !== 'string') throw new Error(`aimm ${args.join(' ')} left with code ${first}:\n${own.log()}`);
  return { process: own, url: first };
}

async function findRequestIds(redis: Redis): Promise<string[]> {
  const keys = await redis.keys('*');
  const ids = keys.flatMap((key) => /(?:gen|cmp|bat|probe)_[0-9a-f]{8}[0-9a-f-]{28}/.exec(key)?.[0] ?? []);
  return [...new Set(ids)].toSorted();
}
