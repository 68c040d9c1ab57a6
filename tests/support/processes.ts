import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A process of ours under test: real, and at the mercy of the test's signals. */
export interface OwnProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All it wrote to stderr so far. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal and resolves with the exit code, null where a signal ended it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface ProcessLimits {
  /** No file of the process grows past so many blocks of 512 bytes: a disk that is full. */
  fileBlocks?: number;
}

/** Starts a service's main file with this environment and nothing of the test's own but PATH, HOME and what is compiled already. */
export function startProcess(
  main: string,
  env: Record<string, string>,
  args: string[] = [],
  { fileBlocks }: ProcessLimits = {},
): OwnProcess {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env;
  const command = [process.execPath, `${root}${main}`, ...args];
  const limited = ['sh', '-c', `ulimit -f ${fileBlocks} && exec "$@"`, 'sh', ...command];
  const [file = '', ...rest] = fileBlocks === undefined ? command : limited;
  const child = spawn(file, rest, {
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let log = '';
  child.stderr?.on('data', (piece: Buffer) => (log += piece.toString()));
  child.stdout?.on('data', (piece: Buffer) => (log += piece.toString()));
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const killOnExit = () => child.kill('SIGKILL');
  process.once('exit', killOnExit);
  void exited.then(() => process.removeListener('exit', killOnExit));
  return {
    child,
    pid: child.pid ?? 0,
    log: () => log,
    signal: (signal) => void child.kill(signal),
    exited,
    async end(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill('SIGCONT');
      child.kill(signal);
      return exited;
    },
  };
}

/** Resolves when the process says that it does its work. @throws with its log when it leaves before */
export async function ready(own: OwnProcess): Promise<void> {
  const isReady = new Promise<'ready'>((resolve) => {
    own.child.on('message', (message) => {
      if ((message as { type?: string }).type === 'ready') resolve('ready');
    });
  });
  const first = await Promise.race([isReady, own.exited]);
  if (first !== 'ready') throw new Error(`the process left with code ${first}:\n${own.log()}`);
}

/** A worker process over its own Redis and database. */
export async function startWorkerProcess(env: Record<string, string>): Promise<OwnProcess> {
  const worker = launchWorkerProcess(env);
  await ready(worker);
  return worker;
}

/** The same, not waited for: it may be unable to work yet. */
export function launchWorkerProcess(env: Record<string, string>, limits: ProcessLimits = {}): OwnProcess {
  const worker = startProcess('services/worker/src/main.ts', { LOG_LEVEL: 'debug', ...env }, [], limits);
  worker.child.send({ type: 'environment', environment: {} });
  return worker;
}
