import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from './config-fault.ts';
import type { RuntimeEnvironment } from './env.ts';

type Place = Pick<RuntimeEnvironment, 'AIMM_MASTER_KEY' | 'dataDir'>;

/** The file that stands in for AIMM_MASTER_KEY. */
export function masterKeyFile({ dataDir }: Pick<Place, 'dataDir'>): string {
  return join(dataDir, 'master.key');
}

/**
 * What the provider keys in the database are encrypted under: AIMM_MASTER_KEY, else the key file; undefined where
 * neither is there.
 * @throws ConfigError when others may read the file, or it holds no key
 */
export function findMasterKey(env: Place): string | undefined {
  if (env.AIMM_MASTER_KEY !== undefined) return env.AIMM_MASTER_KEY;
  const file = masterKeyFile(env);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  // Windows has no such modes.
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw fault(file, 'mode', `0600, this user's alone, not ${mode} (\`chmod 600 ${file}\`)`);
  }
  const key = readFileSync(file, 'utf8').trim();
  if (key.length < 16) throw fault(file, 'content', 'at least 16 characters, as it was made');
  return key;
}

/**
 * The same; makes the key file where neither is there.
 * @throws ConfigError as {@link findMasterKey}
 */
export function ensureMasterKey(env: Place): string {
  const known = findMasterKey(env);
  if (known !== undefined) return known;
  const file = masterKeyFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // In one step and never over another: of two processes at once, both go on with the file of the first.
    linkSync(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return ensureMasterKey(env);
}

function fault(source: string, path: string, expected: string): ConfigError {
  return new ConfigError([{ source, path, expected }]);
}
