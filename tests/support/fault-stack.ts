import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProviderConfig } from '@aimm/catalog';
import { createDatabase, type Database } from '@aimm/database';
import { createManager, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { onTestFailed, onTestFinished } from 'vitest';
import { createAsker, type Asker } from './asker.ts';
import { launchWorkerProcess, type OwnProcess, type ProcessLimits, ready } from './processes.ts';
import { createRedisServer, type RedisServer } from './redis-server.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** Everything that one test breaks: a Redis, a database and an upstream of its own, worker processes, fronts in this process. */
export interface FaultStack extends Asker {
  readonly dir: string;
  readonly redis: RedisServer;
  readonly upstream: Upstream;
  readonly databaseUrl: string;
  /** What a worker or a front process is started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly workers: readonly OwnProcess[];
  /** Starts a worker and waits until it works. */
  startWorker(env?: Record<string, string>, limits?: ProcessLimits): Promise<OwnProcess>;
  /** Starts a worker that may be unable to work yet. */
  launchWorker(env?: Record<string, string>, limits?: ProcessLimits): OwnProcess;
  openFront(): Promise<Manager>;
  /** The database as the test reads it. */
  database(): Promise<Database>;
}

export interface FaultStackOptions {
  env?: Record<string, string>;
  databaseUrl?: string;
  redisRunning?: boolean;
  /** Changes the configuration of the one provider that the upstream plays. */
  provider?: Partial<ProviderConfig>;
  /** Changes providers.json as it likes. */
  change?: (file: ProvidersContent, upstreamUrl: string) => void;
}

/** providers.json, as far as tests change it. */
export interface ProvidersContent {
  providers: Partial<ProviderConfig>[];
  clients?: Record<string, object>;
}

/** Closes itself when the test ends, and shows the workers' logs when it failed. */
export async function createFaultStack(options: FaultStackOptions = {}): Promise<FaultStack> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-faults-'));
  const [redis, upstream] = await Promise.all([
    createRedisServer(dir, { running: options.redisRunning ?? true }),
    startUpstream(),
  ]);
  const databaseUrl = options.databaseUrl ?? `file:${join(dir, 'aimm.db')}`;
  const configDir =
    options.provider === undefined && options.change === undefined
      ? undefined
      : await writeConfig(dir, options.provider ?? {}, (file) => options.change?.(file, upstream.url));
  const env: Record<string, string> = {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    AIMM_DATA_DIR: join(dir, 'data'),
    MISTRAL_API_KEY: 'test-key-of-mistral',
    MISTRAL_BASE_URL: upstream.url,
    MISTRAL_RPM: '10000000',
    MISTRAL_TPM: '10000000000',
    MISTRAL_CONCURRENCY: '100',
    // Short, for a quick recovery; long enough that a busy machine takes no lock from a worker that lives.
    AIMM_LOCK_SECONDS: '4',
    ...(configDir !== undefined && { AIMM_CONFIG_DIR: configDir }),
    ...options.env,
  };
  const workers: OwnProcess[] = [];
  const fronts: Manager[] = [];
  let database: Promise<Database> | undefined;
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });

  const launchWorker = (more: Record<string, string> = {}, limits: ProcessLimits = {}) => {
    const worker = launchWorkerProcess({ ...env, ...more }, limits);
    workers.push(worker);
    return worker;
  };
  onTestFailed(() => {
    for (const worker of workers) process.stderr.write(`--- worker ${worker.pid}\n${worker.log().slice(-6_000)}\n`);
  });
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await Promise.all(fronts.map((front) => front.close()));
    await (await database)?.close();
    await upstream.stop();
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  });

  return {
    ...createAsker(),
    dir,
    redis,
    upstream,
    databaseUrl,
    env,
    workers,
    launchWorker,
    async startWorker(more = {}, limits = {}) {
      const worker = launchWorker(more, limits);
      await ready(worker);
      return worker;
    },
    async openFront() {
      const front = await createManager({ redisUrl: redis.url, databaseUrl, configDir, raw: env, logger });
      fronts.push(front);
      return front;
    },
    database: () => (database ??= createDatabase({ url: databaseUrl })),
  };
}

async function writeConfig(
  dir: string,
  change: Partial<ProviderConfig>,
  rewrite: (file: ProvidersContent) => void,
): Promise<string> {
  const configDir = join(dir, 'config');
  await cp(fileURLToPath(new URL('../../config', import.meta.url)), configDir, { recursive: true });
  const file = join(configDir, 'providers.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as ProvidersContent;
  config.providers = config.providers.map((provider) =>
    provider.id === 'mistral' ? { ...provider, ...change } : provider,
  );
  rewrite(config);
  await writeFile(file, JSON.stringify(config));
  return configDir;
}
