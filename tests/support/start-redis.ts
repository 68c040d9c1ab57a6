import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';

/** Starts a Redis on a unix socket in `dir`; nothing is kept on disk. @throws when there is no server on PATH */
export async function startRedis(dir: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const socket = join(dir, 'redis.sock');
  const child = spawn(
    findRedisServer(),
    ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', dir],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  // A test run that is killed hard never reaches the teardown; this end of it still does.
  const killOnExit = () => child.kill();
  process.once('exit', killOnExit);

  const probe = new Redis({ path: socket, retryStrategy: () => 20, maxRetriesPerRequest: null });
  probe.on('error', () => undefined);
  const first = await Promise.race([probe.ping(), exited]).finally(() => probe.disconnect());
  if (first !== 'PONG') throw new Error(`the Redis server left at once with code ${child.exitCode}`);

  const stop = async () => {
    process.removeListener('exit', killOnExit);
    child.kill();
    await exited;
  };
  return { url: `unix:${socket}`, stop };
}

export function findRedisServer(): string {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not in this folder: the next one.
      }
    }
  }
  throw new Error('neither redis-server nor valkey-server is on PATH: run `npm run setup`, or install one of them');
}
