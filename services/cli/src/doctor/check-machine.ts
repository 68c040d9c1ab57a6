import { accessSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findRedisServer, type StackInfo } from '@aimm/local-stack';
import type { RuntimeEnvironment } from '@aimm/runtime';
import { tryPort } from '../stack/face-ports.ts';
import { failed, type Finding, ok, warning } from './finding.ts';

const megabyte = 1024 * 1024;
/** SQLite and Redis' log grow by some kilobytes a call. */
const littleRoom = 1_024 * megabyte;
const noRoom = 100 * megabyte;

/** The Node that runs this, which every process of the stack is started with. `execPath`: its file. */
export function checkNode(version = process.versions.node, execPath = process.execPath): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const says = `${version} (${execPath}).`;
  if (major < 22 || (major === 22 && minor < 18))
    return failed('Node', says, 'Install Node 24 from https://nodejs.org, or run `npm ci` in the checkout.');
  if (major < 24) return warning('Node', says, 'It works; 24 is what this is tested with.');
  return ok('Node', `${says.slice(0, -1)}${execPath.includes('node_modules') ? ', the checkout’s own.' : '.'}`);
}

/** Whether the data directory can be written and has room; makes nothing that stays. */
export function checkDataDirectory(dataDir: string): Finding[] {
  const check = 'Data directory';
  const place = findExisting(dataDir);
  try {
    if (place === dataDir) {
      const probe = join(dataDir, `.doctor-${process.pid}`);
      writeFileSync(probe, '', { mode: 0o600 });
      rmSync(probe);
    } else {
      accessSync(place, constants.W_OK);
    }
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return [
      failed(
        check,
        `${place} cannot be written (${code}).`,
        'Make it writable for this user, or name another directory in AIMM_DATA_DIR.',
      ),
    ];
  }
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const says = `${dataDir}${place === dataDir ? '' : ' (made at the first start)'}, ${Math.floor(free / megabyte)} MB free.`;
  const mend = 'Make room on that disk, or name a directory on another one in AIMM_DATA_DIR.';
  if (free < noRoom) return [failed(check, says, mend)];
  return [free < littleRoom ? warning(check, says, mend) : ok(check, says)];
}

/** The directory, or the nearest above it that exists. */
function findExisting(directory: string): string {
  const parent = dirname(directory);
  return existsSync(directory) || parent === directory ? directory : findExisting(parent);
}

/** Whether a stack would find a Redis server to start. */
export async function checkRedisServer(path: string): Promise<Finding> {
  const check = 'Redis server';
  return findRedisServer(path).then(
    (file) => ok(check, `${file} can be started.`),
    (error: Error) => failed(check, 'There is none to start.', error.message),
  );
}

/** Whether the HTTP front and the dashboard find their ports free; those that serve us already are. */
export async function checkPorts(env: RuntimeEnvironment, info: StackInfo | undefined): Promise<Finding[]> {
  const faces = [
    { check: 'Port of MCP over HTTP', host: env.HTTP_HOST, port: env.HTTP_PORT, name: 'HTTP_PORT', url: info?.httpUrl },
    {
      check: 'Port of the dashboard',
      host: env.DASHBOARD_HOST,
      port: env.DASHBOARD_PORT,
      name: 'DASHBOARD_PORT',
      url: info?.dashboardUrl,
    },
  ];
  return Promise.all(
    faces.map(async ({ check, host, port, name, url }) => {
      if (url !== undefined && (port === 0 || Number(new URL(url).port) === port))
        return ok(check, `Served at ${url}.`);
      const fault = port === 0 ? undefined : await tryPort(host, port);
      if (fault === undefined) return ok(check, port === 0 ? 'Any free one.' : `${port} is free.`);
      if (fault !== 'EADDRINUSE')
        return failed(check, `Nothing can listen at ${host}:${port} (${fault}).`, `Correct the host or ${name}.`);
      return warning(
        check,
        `${port} is in use by another process.`,
        `End that process (\`ss -ltnp | grep ${port}\` shows which), or choose another port with ${name}.`,
      );
    }),
  );
}
