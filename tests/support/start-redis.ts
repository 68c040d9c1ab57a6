import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { findRedisServer } from '@aimm/local-stack';
import { Redis } from 'ioredis';

/** Starts a Redis on a unix socket in `dir`; nothing is kept on disk. @throws when there is no server on PATH */
export async function startRedis(dir: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const socket = join(dir, 'redis.sock');
  const child = spawn(
    await findRedisServer(process.env['PATH'] ?? ''),
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
