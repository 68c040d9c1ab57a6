import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ChildMessage, type KeyVerdict, type ParentMessage } from '@aimm/local-stack';
import type { Logger, RawEnvironment } from '@aimm/runtime';

export interface SupervisedOptions {
  name: string;
  /** Arguments of Node: a script and what follows. */
  args: readonly string[];
  /** Read anew at each start. */
  environment: () => RawEnvironment;
  /** The child does its work now. */
  onReady?: (message: { url?: string | undefined }) => void;
  /** The child told which providers have keys in the database. */
  onStoredKeys?: (providers: readonly string[]) => void;
  /** The child told what a provider says of a key of the environment. */
  onKey?: (verdict: KeyVerdict) => void;
  /** The child ended by itself and will be started again. */
  onEnd?: () => void;
  logger: Logger;
  /** How long it may take to leave before it is killed. */
  graceMs: number;
}

/** A child process that is started again whenever it ends, at most every 15 s, until it is stopped. */
export interface SupervisedProcess {
  readonly name: string;
  /** What is wrong with it at the moment. */
  problem(): string | undefined;
  send(message: ParentMessage): void;
  /** Has it read the configuration anew. Not while it starts: it reads that then, and knows no such signal yet. */
  reload(): void;
  /** SIGTERM, then SIGKILL after the grace period; settles when it is gone. */
  stop(): Promise<void>;
}

const longestPauseMs = 15_000;
/** A child that ran this long was well: its next end starts counting anew. */
const steadyAfterMs = 30_000;

export function superviseProcess(options: SupervisedOptions): SupervisedProcess {
  const { name, args, environment, onReady, onStoredKeys, onKey, onEnd, logger, graceMs } = options;
  let stopping = false;
  let failures = 0;
  let problem: string | undefined;
  let child: ChildProcess | undefined;
  let isReady = false;
  let timer: NodeJS.Timeout | undefined;

  const start = () => {
    const startedAt = Date.now();
    const started = spawn(process.execPath, args, {
      // Its own session: the supervisor alone decides in which order its children leave.
      detached: true,
      env: environment(),
      // stdout may be a terminal's or nobody's; children speak on stderr only.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    child = started;
    isReady = false;
    const ended = (why: string) => {
      if (child !== started) return;
      child = undefined;
      if (stopping) return;
      failures = Date.now() - startedAt > steadyAfterMs ? 1 : failures + 1;
      const pauseMs = Math.min(200 * 2 ** (failures - 1), longestPauseMs);
      problem = `${name} ended with ${why}; it is started again`;
      logger.warn({ child: name, why, pauseMs }, 'A child process ended: starting it again');
      timer = setTimeout(start, pauseMs);
      onEnd?.();
    };
    started.on('error', (error) => ended(error.message));
    started.on('exit', (code, signal) => ended(signal ?? `code ${code}`));
    started.on('message', (received: unknown) => {
      const message = ChildMessage.safeParse(received).data;
      switch (message?.type) {
        case 'ready':
          problem = undefined;
          isReady = true;
          onReady?.(message);
          break;
        case 'stored-keys':
          onStoredKeys?.(message.providers);
          break;
        case 'key':
          onKey?.(message);
          break;
        case undefined:
      }
    });
  };
  start();

  return {
    name,
    problem: () => problem,
    send: (message) => child && sendTo(child, message),
    reload: () => void (isReady && child?.kill('SIGHUP')),
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      const last = child;
      if (last === undefined || last.exitCode !== null || last.signalCode !== null) return;
      const killer = setTimeout(() => {
        logger.warn({ child: name, graceMs }, 'A child process did not leave: killing it');
        last.kill('SIGKILL');
      }, graceMs);
      last.kill('SIGTERM');
      await once(last, 'exit');
      clearTimeout(killer);
    },
  };
}

function sendTo(child: ChildProcess, message: ParentMessage): void {
  // A child that is ending misses nothing: its next start reads the environment anew.
  if (child.connected) child.send(message, () => undefined);
}
