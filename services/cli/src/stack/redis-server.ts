import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findRedisServer, type StackPaths } from '@aimm/local-stack';
import type { Logger } from '@aimm/runtime';
import { openRedisProbe, type RedisProbe } from './redis-commands.ts';

/** The stack's own Redis, on a unix socket in the data directory. */
export interface PrivateRedis {
  readonly url: string;
  /** What is wrong with it at the moment. */
  problem(): string | undefined;
  /** Ends the server; it writes what it holds first. */
  stop(): Promise<void>;
}

const startLimitMs = 15_000;
const adoptLimitMs = 30_000;

const loading = 'Redis loads its data.';

interface Waiting {
  /** Told again and again while the server loads its data: some GB take minutes. */
  onLoading: () => void;
  signal?: AbortSignal | undefined;
  startLimitMs?: number | undefined;
}

/**
 * Starts the server, or adopts one that an ended supervisor left behind, and starts it again whenever it dies. One that loads
 * its data is waited for as long as that takes, or until `signal`. `startLimitMs`: how long it may take to answer at all.
 * @throws Error when there is no server to start, or it does not answer in time
 */
export async function startPrivateRedis(
  paths: StackPaths,
  path: string,
  logger: Logger,
  options: Pick<Waiting, 'signal' | 'startLimitMs'> = {},
): Promise<PrivateRedis> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  let stopping = false;
  let problem: string | undefined;
  const onLoading = () => {
    if (problem === loading) return;
    logger.warn('The Redis server loads its data: waiting for it');
    problem = loading;
  };
  const adoptOrLaunch = async () => {
    const waiting = { ...options, signal, onLoading };
    const running = await adopt(paths, waiting);
    if (running === undefined) return launch(paths, await findRedisServer(path), waiting);
    logger.info('Adopted the Redis server that was left running');
    return running;
  };
  let probe = await adoptOrLaunch();
  problem = undefined;

  const keep = async () => {
    let failures = 0;
    while (!stopping) {
      await probe.closed;
      if (stopping) return;
      logger.warn('The Redis server is gone: starting it again');
      try {
        probe = await adoptOrLaunch();
        problem = undefined;
        failures = 0;
      } catch (error) {
        if (stopping) return;
        problem = error instanceof Error ? error.message : String(error);
        logger.error({ err: error }, 'The Redis server does not start');
        await delay(Math.min(250 * 2 ** failures++, 10_000), undefined, { ref: false });
      }
    }
  };
  const keeping = keep();

  return {
    url: `unix:${paths.redisSocket}`,
    problem: () => problem,
    stop: async () => {
      stopping = true;
      stop.abort();
      await probe.shutdown();
      await keeping;
      // One that was being started again meanwhile.
      await probe.shutdown();
    },
  };
}

/**
 * The server that listens there already. One that loads its data is waited for: two servers in one folder would spoil
 * each other's files.
 */
async function adopt({ redisSocket }: StackPaths, { signal, onLoading }: Waiting): Promise<RedisProbe | undefined> {
  let deadlineAt = Date.now() + adoptLimitMs;
  while (Date.now() < deadlineAt && signal?.aborted !== true) {
    const found = await openRedisProbe(redisSocket);
    if (found === 'absent') return undefined;
    if (typeof found === 'object') return found;
    if (found === 'loading') {
      onLoading();
      deadlineAt = Date.now() + adoptLimitMs;
    }
    await delay(50);
  }
  throw new Error(
    `The Redis server behind ${redisSocket} has not answered for ${adoptLimitMs / 1000} s. End that process, then try again.`,
  );
}

async function launch(
  { redisSocket, redisDir, logDir }: StackPaths,
  binary: string,
  { signal, onLoading, startLimitMs: limitMs = startLimitMs }: Waiting,
): Promise<RedisProbe> {
  const settings: Record<string, string> = {
    port: '0',
    unixsocket: redisSocket,
    unixsocketperm: '700',
    dir: redisDir,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    logfile: join(logDir, 'redis.log'),
    loglevel: 'warning',
  };
  // Its own session: Ctrl-C in the terminal must not end it before the workers have handed back their jobs.
  const child = spawn(
    binary,
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    {
      detached: true,
      stdio: 'ignore',
    },
  );
  let ended: string | undefined;
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => (ended = `it ended with ${signal ?? `code ${code}`}`));
  child.unref();
  // While it loads a signal ends it, and harms nothing: it has not begun to write.
  const giveUp = () => void child.kill();
  signal?.addEventListener('abort', giveUp);
  let deadlineAt = Date.now() + limitMs;
  try {
    while (ended === undefined && Date.now() < deadlineAt) {
      const probe = await openRedisProbe(redisSocket);
      if (typeof probe === 'object') return probe;
      if (probe === 'loading') {
        onLoading();
        deadlineAt = Date.now() + adoptLimitMs;
      }
      await delay(probe === 'loading' ? 50 : 10);
    }
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  child.kill();
  const why = ended ?? `it did not answer within ${limitMs / 1000} s`;
  throw new Error(`${binary} did not start: ${why}. Its log is ${settings['logfile']}.`);
}
