import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findRedisServer } from '@aimm/local-stack';
import { Redis } from 'ioredis';

/** A Redis of one test, to be stopped, killed, paused and started again; its append-only file survives all of that. */
export interface RedisServer {
  readonly url: string;
  readonly socket: string;
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Removes its files, once it is killed: it starts again with nothing. */
  wipe(): Promise<void>;
  pause(): void;
  resume(): void;
  /** A connection for the test's own questions; closed with the server. */
  client(): Redis;
  stop(): Promise<void>;
}

export async function createRedisServer(
  dir: string,
  { running = true, args = [] as string[] } = {},
): Promise<RedisServer> {
  await mkdir(join(dir, 'redis'), { recursive: true });
  const socket = join(dir, 'redis.sock');
  let child: ChildProcess | undefined;
  const clients: Redis[] = [];

  const connect = () => {
    const redis = new Redis({ path: socket, retryStrategy: () => 50, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    return redis;
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await exited;
  };
  const server: RedisServer = {
    url: `unix:${socket}`,
    socket,
    async start() {
      const persistence = [
        '--save',
        '',
        '--appendonly',
        'yes',
        '--appendfsync',
        'always',
        '--maxmemory-policy',
        'noeviction',
      ];
      child = spawn(
        await findRedisServer(process.env['PATH'] ?? ''),
        ['--port', '0', '--unixsocket', socket, '--dir', join(dir, 'redis'), ...persistence, ...args],
        { stdio: 'ignore' },
      );
      const probe = connect();
      await probe.ping();
      probe.disconnect();
    },
    kill: () => end('SIGKILL'),
    async wipe() {
      await rm(join(dir, 'redis'), { recursive: true });
      await mkdir(join(dir, 'redis'));
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    client() {
      const redis = connect();
      clients.push(redis);
      return redis;
    },
    async stop() {
      for (const redis of clients) redis.disconnect();
      await end('SIGTERM');
    },
  };
  if (running) await server.start();
  return server;
}
