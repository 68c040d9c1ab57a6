import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStack, type StackInfo } from '@aimm/local-stack';
import { connectStdio, type Era, type McpClient } from './mcp-client.ts';
import { type OwnProcess, startProcess } from './processes.ts';

/** A data directory of its own, and whatever `aimm` starts there when nothing but this directory is given. */
export interface LocalStack {
  readonly dataDir: string;
  readonly environment: Record<string, string>;
  /** A client as a user configures one: `aimm mcp` over stdio. */
  connect(era?: Era, environment?: Record<string, string>): Promise<McpClient>;
  run(...args: string[]): OwnProcess;
  /** What the running stack says of itself; undefined where none runs. */
  info(): Promise<StackInfo | undefined>;
  /** Every process that belongs to this directory, with its command line: supervisor, Redis, workers, faces, clients. */
  processes(): Promise<{ pid: number; command: string }[]>;
  /** Ends what is left and removes the directory. */
  end(): Promise<void>;
}

export async function createLocalStack(given: Record<string, string> = {}): Promise<LocalStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'aimm-e2e-stack-'));
  const environment = {
    AIMM_DATA_DIR: dataDir,
    AIMM_DEMO: 'on',
    HTTP_PORT: '0',
    DASHBOARD_PORT: '0',
    ...given,
  };
  const clients: McpClient[] = [];
  const info = async () => {
    const found = await findStack(dataDir);
    await found?.close();
    return found?.info;
  };
  return {
    dataDir,
    environment,
    info,
    async connect(era = '2025-11-25', more = {}) {
      const client = await connectStdio({ ...environment, ...more }, era);
      clients.push(client);
      return client;
    },
    run: (...args) => startProcess('services/cli/bin/aimm.mjs', environment, args),
    processes: () => findProcesses(dataDir),
    async end() {
      await Promise.all(clients.map((client) => client.close()));
      await startProcess('services/cli/bin/aimm.mjs', environment, ['down']).exited;
      for (const { pid } of await findProcesses(dataDir)) kill(pid, 'SIGKILL');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Sends a signal, also where the process has just left. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Processes whose command line or environment names the directory. Linux only: it reads /proc. */
async function findProcesses(dataDir: string): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
      const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
      return `${command}\0${environment}`.includes(dataDir)
        ? [{ pid, command: command.replaceAll('\0', ' ').trim() }]
        : [];
    }),
  );
  return found.flat();
}
