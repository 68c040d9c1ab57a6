import { setTimeout as delay } from 'node:timers/promises';
import { createLiveCatalog, followConfig, loadCatalog } from '@aimm/catalog';
import { readBuild, type StackInfo, type StackPaths, toStackSettings, version } from '@aimm/local-stack';
import {
  type Logger,
  type RawEnvironment,
  requireNoFaults,
  type RuntimeEnvironment,
  type Shutdown,
  secretsOf,
  masterKeyVariables,
  withoutProviderKeys,
} from '@aimm/runtime';
import { boundLog } from './bound-log.ts';
import { type ControlServer, openControlServer } from './control-server.ts';
import { chooseFacePorts } from './face-ports.ts';
import { createIdleWatch } from './idle-watch.ts';
import { openProviderDesk, type ProviderDesk } from './provider-desk.ts';
import { startPrivateRedis } from './redis-server.ts';
import type { StackLock } from './stack-lock.ts';
import { startStackProcesses } from './stack-processes.ts';
import { hasTerminal } from './stop-signals.ts';

/** Well inside of what a joining client waits for. */
const staffedWithinMs = 12_000;
/** A database that is slower keeps nobody waiting: what it holds the workers tell later. */
const storedKeysWithinMs = 2_000;

export interface RunStackOptions {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  paths: StackPaths;
  lock: StackLock;
  /** Values that must not be logged; keys that clients bring are added. */
  secrets: Set<string>;
  logger: Logger;
  shutdown: Shutdown;
  /** In a terminal: stays when idle. */
  foreground: boolean;
  /** Whether it brings the HTTP front. */
  http: boolean;
}

export interface RunningStack {
  info(): StackInfo;
  /** Settles when every process works or has failed once, or after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>;
}

/**
 * Brings the whole stack up and keeps it up; everything it holds closes with `shutdown`.
 * @throws ConfigError, Error when something it needs does not start; clients that wait are told the same
 */
export async function runStack(options: RunStackOptions): Promise<RunningStack> {
  const { env, raw, paths, lock, secrets, logger, shutdown, foreground, http } = options;
  shutdown.add('lock', () => lock.release());
  const build = readBuild();
  const stop = () => void process.kill(process.pid, 'SIGTERM');
  let desk: ProviderDesk | undefined;
  let onEnvironment: () => void = () => undefined;
  let onChange: () => void = () => undefined;
  let reload: () => void = () => undefined;
  if (!hasTerminal()) process.on('SIGHUP', () => reload());
  const early: RawEnvironment[] = [];

  const control = await openControlServer({
    path: paths.controlSocket,
    logger,
    onHandover: async (environment) => {
      for (const secret of secretsOf(environment)) secrets.add(secret);
      if (desk === undefined) return void early.push(environment);
      if (await desk.take(environment)) onEnvironment();
    },
    onChange: () => onChange(),
    onStop: stop,
  });
  try {
    const { catalog, faults } = loadCatalog({ configDir: env.configDir, env: raw });
    requireNoFaults(faults);
    const live = createLiveCatalog(catalog);
    // At the same time; what opens although the other fails is closed all the same.
    const databaseUrl = env.DATABASE_URL ?? `file:${paths.databaseFile}`;
    const openingDesk = findStored(databaseUrl, logger).then((stored) =>
      openProviderDesk({ env, raw, catalog: live.catalog, stored }),
    );
    openingDesk.catch(() => undefined); // Told below, once Redis has started or failed.
    shutdown.add('demo', async () => (await openingDesk).close());
    const redis =
      env.REDIS_URL === undefined
        ? await startPrivateRedis(paths, raw['PATH'] ?? '', logger, { signal: shutdown.signal })
        : undefined;
    if (redis !== undefined) shutdown.add('redis', () => redis.stop());
    const opened = await openingDesk;
    desk = opened;
    for (const environment of early) await opened.take(environment);

    const startedAt = Date.now();
    const settings = toStackSettings(raw);
    const redisUrl = redis?.url ?? env.REDIS_URL ?? '';
    const shared: RawEnvironment = {
      ...withoutProviderKeys(
        raw,
        catalog.providers.flatMap(({ apiKeyVariables }) => apiKeyVariables),
      ),
      REDIS_URL: redisUrl,
      DATABASE_URL: databaseUrl,
      AIMM_DATA_DIR: paths.dataDir,
      ...(env.configDir !== undefined && { AIMM_CONFIG_DIR: env.configDir }),
    };
    const passOn = (changing: Promise<boolean>) => {
      changing.then(
        (changed) => {
          if (changed) onEnvironment();
          onChange();
        },
        (error: unknown) => logger.warn({ err: error }, 'A change of the providers could not be taken note of'),
      );
    };
    const masterKeys = Object.fromEntries(masterKeyVariables.map((name) => [name, raw[name]]));
    const processes = startStackProcesses({
      logger,
      workers: env.WORKER_COUNT,
      http,
      shared,
      faceEnvironment: () => chooseFacePorts(env, raw, { faces: http ? ['HTTP', 'DASHBOARD'] : ['DASHBOARD'], logger }),
      // Workers alone open the keys in the database.
      workerEnvironment: () => ({ ...shared, ...masterKeys, ...opened.state().environment }),
      onStoredKeys: (providers) => passOn(opened.setStored(providers)),
      onKey: (verdict) => passOn(opened.noteKey(verdict)),
      onChange: () => onChange(),
    });
    // From the start: a worker that is still loading reads what came meanwhile, and nobody sends it again.
    onEnvironment = () => processes.sendEnvironment(opened.state().environment);
    shutdown.add('processes', () => processes.stop());
    const config = followConfig({
      configDir: env.configDir,
      obeysSignal: false,
      load: () => loadCatalog({ configDir: env.configDir, env: raw }),
      onChange: (next) => {
        live.replace(next);
        passOn(opened.refresh());
      },
      onFaults: () => undefined, // The workers, which read the same files, tell them.
      onUnwatched: (error) => logger.warn({ reason: error.message }, 'The configuration is not watched'),
    });
    shutdown.add('configuration', () => config.close());
    reload = () => {
      config.reload();
      processes.reload();
    };

    const info = (): StackInfo => {
      const { demo, configured } = opened.state();
      const { dashboardUrl, httpUrl = control.announcedUrl() } = processes.urls();
      const redisProblem = redis?.problem();
      return {
        pid: process.pid,
        version,
        build,
        dataDir: paths.dataDir,
        redisUrl,
        databaseUrl,
        storesContent: env.STORE_CONTENT === 'on',
        ...(dashboardUrl !== undefined && { dashboardUrl }),
        ...(httpUrl !== undefined && { httpUrl }),
        demo,
        configured,
        startedAt,
        foreground,
        workers: env.WORKER_COUNT,
        clients: control.clientCount(),
        problems: [...(redisProblem === undefined ? [] : [redisProblem]), ...processes.problems()],
        settings,
      };
    };
    const idle = foreground
      ? undefined
      : createIdleWatch({
          idleMs: env.AIMM_IDLE_SECONDS * 1000,
          isBusy: async () => {
            // Loaded when first needed: a stack in use never asks.
            const [{ countOpenJobs }, { findOpenBatches }] = await Promise.all([
              import('./open-jobs.ts'),
              import('@aimm/database'),
            ]);
            // What a vendor holds, or waits for its budget to renew, is in no queue.
            if ((await findOpenBatches(databaseUrl)).length > 0) return true;
            // As the configuration is now: one that was added since may have jobs, as may one that was removed.
            const ids = [...new Set([...catalog.providers, ...live.catalog.providers].map(({ id }) => id))];
            return (await countOpenJobs(redisUrl, ids, logger)) > 0;
          },
          onIdle: () => {
            logger.info('No client, no job and no batch: leaving');
            stop();
          },
          logger,
        });
    // A client's first call must find somebody to do it. A worker that does not start shows among the problems.
    await processes.staffed(staffedWithinMs);
    onChange = () => {
      control.publish(info());
      idle?.update(control.clientCount());
    };
    if (!foreground) {
      const log = boundLog(paths.stackLog, logger);
      shutdown.add('log', () => log.close());
    }
    if (idle !== undefined) shutdown.add('idle', () => idle.close());
    shutdown.add('control', () => {
      onChange = () => undefined;
      return control.close();
    });
    onChange();
    logger.info({ dataDir: paths.dataDir, demo: info().demo, configured: info().configured }, 'The stack is up');
    return { info, settled: (timeoutMs) => processes.settled(timeoutMs) };
  } catch (error) {
    await giveUp(control, error);
    throw error;
  }
}

/** Which providers have keys in the database; a database that is away tells it later, through the workers. */
async function findStored(databaseUrl: string, logger: Logger): Promise<string[]> {
  const { findKeyedProviders } = await import('@aimm/database');
  const found = findKeyedProviders(databaseUrl).catch((error: unknown) => {
    logger.warn({ err: error }, 'Cannot see whether the database holds keys');
    return [];
  });
  return Promise.race([found, delay(storedKeysWithinMs, [], { ref: false })]);
}

async function giveUp(control: ControlServer, error: unknown): Promise<void> {
  control.fail(error instanceof Error ? error.message : String(error));
  await control.close();
}
