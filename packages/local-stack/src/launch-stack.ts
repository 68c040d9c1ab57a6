import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RawEnvironment } from '@aimm/runtime';
import { ensureStackDirectories, type StackPaths } from './stack-paths.ts';

/** How to start a stack in the background: a program and its arguments. */
export interface StackLaunch {
  command: string;
  args: readonly string[];
}

export interface LaunchedStack {
  /** Undefined while it runs. */
  exit(): { code: number | null } | undefined;
  /** The end of what it wrote to its log. */
  logTail(): string;
}

const logLimitBytes = 5 * 1024 * 1024;
const tailLines = 20;

/** Starts the stack as a process of its own that outlives this one; its stderr goes to `logs/stack.log`. */
export function launchStack(launch: StackLaunch, paths: StackPaths, raw: RawEnvironment): LaunchedStack {
  ensureStackDirectories(paths);
  rotateLog(paths.stackLog);
  const from = sizeOf(paths.stackLog);
  const log = openSync(paths.stackLog, 'a', 0o600);
  let exit: { code: number | null } | undefined;
  let problem = '';
  const child = spawn(launch.command, launch.args, {
    // Its own session: neither Ctrl-C in our terminal nor our end reaches it. Its own folder: it keeps none of ours busy.
    detached: true,
    cwd: paths.dataDir,
    env: { ...absolutePaths(raw), AIMM_DATA_DIR: paths.dataDir },
    stdio: ['ignore', 'ignore', log],
  });
  closeSync(log);
  child.on('error', (error) => {
    problem = error.message;
    exit = { code: 1 };
  });
  child.on('exit', (code) => {
    exit = { code };
  });
  child.unref();
  return {
    exit: () => exit,
    logTail: () => [readFrom(paths.stackLog, from), problem].join('\n').trim().split('\n').slice(-tailLines).join('\n'),
  };
}

/** What is relative to our folder must mean the same from the stack's. */
function absolutePaths(raw: RawEnvironment): RawEnvironment {
  const { AIMM_CONFIG_DIR: configDir, DATABASE_URL: databaseUrl } = raw;
  return {
    ...raw,
    ...(configDir !== undefined && { AIMM_CONFIG_DIR: resolve(configDir) }),
    ...(databaseUrl?.startsWith('file:') && { DATABASE_URL: `file:${resolve(databaseUrl.slice('file:'.length))}` }),
  };
}

function rotateLog(path: string): void {
  if (sizeOf(path) > logLimitBytes) renameSync(path, `${path}.1`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readFrom(path: string, offset: number): string {
  const text = readFileSync(path);
  return text.subarray(text.length >= offset ? offset : 0).toString('utf8');
}
