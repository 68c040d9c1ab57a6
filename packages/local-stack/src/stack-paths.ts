import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a stack keeps what it needs; everything follows from the data directory. */
export interface StackPaths {
  dataDir: string;
  /** Sockets and the lock; private to the user (0700). */
  runDir: string;
  controlSocket: string;
  redisSocket: string;
  lockFile: string;
  redisDir: string;
  logDir: string;
  stackLog: string;
  databaseFile: string;
}

/** A socket's path holds about 104 bytes on macOS and 108 on Linux; leave some air. */
const longestSocketPath = 100;

export function toStackPaths(dataDir: string): StackPaths {
  const inside = join(dataDir, 'run');
  const fits = Buffer.byteLength(join(inside, 'control.sock')) <= longestSocketPath;
  const runDir = fits
    ? inside
    : join(tmpdir(), `aimm-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
  const logDir = join(dataDir, 'logs');
  return {
    dataDir,
    runDir,
    controlSocket: join(runDir, 'control.sock'),
    redisSocket: join(runDir, 'redis.sock'),
    lockFile: join(dataDir, 'stack.lock'),
    redisDir: join(dataDir, 'redis'),
    logDir,
    stackLog: join(logDir, 'stack.log'),
    databaseFile: join(dataDir, 'aimm.db'),
  };
}

/**
 * Makes the stack's directories, private to the user.
 * @throws Error when the directory of the sockets belongs to somebody else, who could then read what is sent to the stack
 */
export function ensureStackDirectories(paths: StackPaths): void {
  for (const directory of [paths.dataDir, paths.redisDir, paths.logDir])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  requireOwnSockets(paths);
  chmodSync(paths.runDir, 0o700);
}

/**
 * A long data directory has its sockets in a place that others may write to, under a name that can be guessed.
 * @throws Error when somebody else has made the directory of the sockets
 */
export function requireOwnSockets({ runDir }: StackPaths): void {
  const found = lstatSync(runDir, { throwIfNoEntry: false });
  if (found === undefined) return;
  const mine = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !mine) {
    throw new Error(`${runDir} belongs to somebody else. Remove it, or choose another place with AIMM_DATA_DIR.`);
  }
}
