import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const aimm = `${root}services/cli/bin/aimm.mjs`;

/** Starts a script of ours; its errors go to this process's stderr. Ended with it. */
export function startScript(path: string, args: string[], env: Record<string, string>): ChildProcess {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [path.startsWith('/') ? path : `${root}${path}`, ...args], {
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

/** The first IPC message that `accept` takes. */
export async function awaitMessage<T>(child: ChildProcess, accept: (message: unknown) => T | undefined): Promise<T> {
  for (;;) {
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the process left with code ${String(code)}`);
      }),
    ])) as [unknown];
    const accepted = accept(message);
    if (accepted !== undefined) return accepted;
  }
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** A Redis, or Valkey, of its own on a unix socket, written to disk once a second as in the local stack. */
export async function startRedis(dir: string): Promise<{ url: string; child: ChildProcess }> {
  const socket = `${dir}/redis.sock`;
  const place = ['--port', '0', '--unixsocket', socket, '--dir', dir];
  const persistence = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'];
  for (const server of ['redis-server', 'valkey-server']) {
    const child = spawn(server, [...place, ...persistence], { stdio: 'ignore' });
    // Rejects with its `error` where there is none of that name.
    const started = await once(child, 'spawn').catch(() => undefined);
    if (started === undefined) continue;
    process.once('exit', () => child.kill('SIGKILL'));
    return { url: `unix:${socket}`, child };
  }
  throw new Error('neither redis-server nor valkey-server is on PATH: run `npm run setup`, or install one of them');
}
