import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '@aimm/local-stack';
import { connectWorker } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { programPath } from './env.ts';

export interface RedisServer {
  /** A folder of this test alone, removed with the server. */
  readonly dir: string;
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

/** A Redis on a unix socket of its own, which can be stopped and started again. Nothing is kept on disk. */
export async function createRedisServer(logger: Logger, args: string[] = []): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-dashboard-'));
  const socket = join(dir, 'redis.sock');
  let stop = async () => {};
  return {
    dir,
    url: `unix:${socket}`,
    async start() {
      const options = [
        '--port',
        '0',
        '--unixsocket',
        socket,
        '--save',
        '',
        '--appendonly',
        'no',
        '--dir',
        dir,
        ...args,
      ];
      const child = spawn(await findRedisServer(programPath), options, { stdio: 'ignore' });
      const exited = once(child, 'exit');
      const killOnExit = () => child.kill();
      process.once('exit', killOnExit);
      const probe = connectWorker(`unix:${socket}`, logger);
      await probe.ping();
      probe.disconnect();
      stop = async () => {
        process.removeListener('exit', killOnExit);
        child.kill();
        await exited;
        stop = async () => {};
      };
    },
    stop: () => stop(),
    async remove() {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
