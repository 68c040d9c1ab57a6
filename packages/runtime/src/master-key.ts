import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from './config-fault.ts';
import type { RuntimeEnvironment } from './env.ts';

type Place = Pick<RuntimeEnvironment, 'AIMM_MASTER_KEY' | 'dataDir'> &
  Partial<Pick<RuntimeEnvironment, 'AIMM_NEW_MASTER_KEY'>>;
type Directory = Pick<Place, 'dataDir'>;

/** The file that stands in for AIMM_MASTER_KEY. */
export function masterKeyFile({ dataDir }: Directory): string {
  return join(dataDir, 'master.key');
}

/** Where the key that is to follow lies until every stored key is under it. */
function nextMasterKeyFile(place: Directory): string {
  return `${masterKeyFile(place)}.next`;
}

/**
 * What the provider keys in the database may be encrypted under: AIMM_MASTER_KEY, else the key file; while it is being
 * replaced, the new one behind it. None where neither is there.
 * @throws ConfigError when others may read a file, or it holds no key
 */
export function findMasterKeys(env: Place): readonly string[] {
  const { AIMM_MASTER_KEY: given, AIMM_NEW_MASTER_KEY: followed } = env;
  if (given !== undefined) return followed === undefined ? [given] : [given, followed];
  // The next one first: should it take the other's place in between, that is read anew, and none is missed.
  const next = readKeyFile(nextMasterKeyFile(env));
  const current = readKeyFile(masterKeyFile(env));
  return [...new Set([current, next])].flatMap((key) => key ?? []);
}

/**
 * The same; makes the key file where none is there.
 * @throws ConfigError as {@link findMasterKeys}
 */
export function ensureMasterKeys(env: Place): readonly string[] {
  const known = findMasterKeys(env);
  if (known.length > 0) return known;
  createKeyFile(masterKeyFile(env));
  return findMasterKeys(env);
}

/**
 * The key that is to follow that of the key file, on the disk from now on beside it: the one that a rotation which was cut off left
 * there, else a new one. @throws ConfigError as {@link findMasterKeys}
 */
export function prepareNextMasterKey(env: Directory): string {
  const file = nextMasterKeyFile(env);
  createKeyFile(file);
  const key = readKeyFile(file);
  if (key === undefined) throw fault(file, 'file', 'to stay until `aimm keys rotate` has ended');
  return key;
}

/** Whether a rotation of the key file was begun and not ended. */
export function isMasterKeyRotating(env: Directory): boolean {
  return existsSync(nextMasterKeyFile(env));
}

/** Puts the next key in the place of the key file, in one step: the one that was there is gone. For whoever changes it alone. */
export function replaceMasterKey(env: Directory): void {
  const file = masterKeyFile(env);
  renameSync(nextMasterKeyFile(env), file);
  // Who was killed while it made a key left a copy of that.
  const isDraft = /^master\.key(\.next)?\.\d+$/;
  for (const name of readdirSync(env.dataDir)) if (isDraft.test(name)) rmSync(join(env.dataDir, name), { force: true });
  syncDirectory(env.dataDir);
}

function readKeyFile(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  // Windows has no such modes.
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw fault(file, 'mode', `0600, this user's alone, not ${mode} (\`chmod 600 ${file}\`)`);
  }
  const key = readWhole(file);
  if (key !== undefined && key.length < 16) throw fault(file, 'content', 'at least 16 characters, as it was made');
  return key;
}

/** Undefined where it has been renamed since it was seen. */
function readWhole(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A file with a new key, written through to the disk, unless it is there. */
function createKeyFile(file: string): void {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (existsSync(file)) return;
  const draft = `${file}.${process.pid}`;
  // What a process of the same number left when it was killed.
  rmSync(draft, { force: true });
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    // In one step and never over another: of two processes at once, both go on with the file of the first.
    linkSync(draft, file);
  } catch (error) {
    if (!isError(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(directory);
}

/** Names of files, too, are on the disk only then. */
function syncDirectory(path: string): void {
  // Windows opens no directories.
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function isError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function fault(source: string, path: string, expected: string): ConfigError {
  return new ConfigError([{ source, path, expected }]);
}
