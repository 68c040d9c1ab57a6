import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** The first with flags for scripts: what is paid for is written down even where its memory is full. */
const oldestVersion = 7;

/** `redis-server` or `valkey-server` on PATH. @throws Error that says what to install */
export async function findRedisServer(path: string): Promise<string> {
  const old: string[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    for (const directory of path.split(delimiter)) {
      const file = join(directory, name);
      if (!(await isExecutable(file))) continue;
      const version = await readVersion(file);
      if (!(version < oldestVersion)) return file;
      old.push(`${file} is ${version}`);
    }
  }
  const what =
    old.length > 0
      ? `Redis ${oldestVersion} or newer is needed, and ${old.join(', ')}.`
      : 'Neither redis-server nor valkey-server is on PATH.';
  throw new Error(
    `${what} Run \`npm run setup\` in the checkout, install one (Debian, Ubuntu: apt-get install redis-server; macOS: ` +
      'brew install redis), or set REDIS_URL to one that runs.',
  );
}

/** Major and minor, as a number; what says no version counts as new. */
async function readVersion(file: string): Promise<number> {
  const { stdout } = await promisify(execFile)(file, ['--version']).catch(() => ({ stdout: '' }));
  return Number.parseFloat(/v=(\d+\.\d+)/.exec(stdout)?.[1] ?? 'NaN');
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
