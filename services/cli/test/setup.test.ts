import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/setup.mjs', import.meta.url));

/** In a checkout of a few files, on a machine whose programs are scripts that note how they were called. */
describe('scripts/setup.mjs', { timeout: 20_000 }, () => {
  let root: string;
  let programs: string;
  let calls: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'aimm-setup-'));
    programs = join(root, 'machine');
    calls = join(root, 'calls');
    for (const folder of ['scripts', 'prisma', 'packages/database/scripts', 'machine']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    cpSync(script, join(root, 'scripts/setup.mjs'));
    writeFileSync(join(root, 'package-lock.json'), '{}');
    writeFileSync(join(root, 'prisma/schema.prisma'), 'model A');
    writeFileSync(join(root, 'packages/database/package.json'), '{}');
    install('redis-server', '');
    install(
      'npm',
      `if [ "$1" = ci ]; then /bin/mkdir -p "${root}/node_modules"; else /bin/mkdir -p "${root}/packages/database/generated"; fi`,
    );
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const install = (name: string, body: string) => {
    const file = join(programs, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> "${calls}"\n${body}\n`);
    chmodSync(file, 0o755);
  };
  const setUp = (...args: string[]) => {
    rmSync(calls, { force: true });
    const done = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), ...args], {
      env: { PATH: programs },
      encoding: 'utf8',
    });
    const called = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
    // To ask for a version is to do nothing.
    const did = called.filter((call) => !call.endsWith(' --version'));
    return { status: done.status, stdout: done.stdout, stderr: done.stderr, called: did };
  };
  const npmCi = 'npm ci --no-audit --no-fund --loglevel=error';
  const generate = 'npm run generate -w @aimm/database';

  it('does everything in a fresh checkout, and nothing the second time', () => {
    const first = setUp();
    expect(first).toMatchObject({ status: 0, stderr: '', called: [npmCi, generate] });
    expect(first.stdout.trim().split('\n')).toHaveLength(2);
    const startedAt = performance.now();
    const second = setUp();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(second).toMatchObject({ status: 0, stdout: '', stderr: '', called: [] });
  });

  it('installs again when the lock file has changed, and only then', () => {
    setUp();
    writeFileSync(join(root, 'package-lock.json'), '{ "lockfileVersion": 3 }');
    expect(setUp().called).toEqual([npmCi]);
    expect(setUp().called).toEqual([]);
  });

  it.each([
    ['ends a stack that nobody uses', { running: true, pid: 7, clients: 0, foreground: false }, true, ''],
    [
      'says how to end one that clients use',
      { running: true, pid: 7, clients: 2, foreground: false },
      false,
      'process 7, 2 clients',
    ],
    [
      'says how to end one in a terminal',
      { running: true, pid: 7, clients: 0, foreground: true },
      false,
      'process 7, in a terminal',
    ],
    ['says nothing where none runs', { running: false }, false, ''],
    ['says nothing where that cannot be told', undefined, false, ''],
  ])('%s before it replaces its packages', (_what, status, ends, says) => {
    setUp();
    const bin = join(root, 'services/cli/bin/aimm.mjs');
    mkdirSync(join(bin, '..'), { recursive: true });
    writeFileSync(
      bin,
      `import { appendFileSync } from 'node:fs';
       const [command] = process.argv.slice(2);
       appendFileSync(${JSON.stringify(calls)}, 'aimm ' + command + '\\n');
       if (command === 'status') console.log(${JSON.stringify(JSON.stringify(status) ?? 'Error: Cannot find package')});`,
    );
    expect(setUp().called).toEqual([]);
    writeFileSync(join(root, 'package-lock.json'), '{ "lockfileVersion": 3 }');
    const again = setUp();
    expect(again.called).toEqual(['aimm status', ...(ends ? ['aimm down'] : []), npmCi]);
    expect(again.stderr).toContain(says);
    expect(again.stderr.includes('npx aimm down')).toBe(says !== '');
  });

  it('leaves packages alone that were installed by hand', () => {
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
    expect(setUp().called).toEqual([generate]);
  });

  it('installs again when the lock file came after the last install', () => {
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
    const before = Date.now() / 1000 - 60;
    utimesSync(join(root, 'node_modules/.package-lock.json'), before, before);
    expect(setUp().called).toEqual([npmCi, generate]);
  });

  it.each([
    ['for another platform', {}, { 'node_modules/a': {}, 'node_modules/b': { os: 'aix', cpu: 'ppc64' } }],
    [
      'for another processor',
      {},
      { 'node_modules/a': {}, 'node_modules/b': { os: [process.platform], cpu: ['ppc64'] } },
    ],
    ['without what the tests need', { 'node_modules/b': { dev: true } }, { 'node_modules/a': {} }],
    [
      'without what this platform needs',
      { 'node_modules/b': { optional: true, os: process.platform, cpu: process.arch } },
      { 'node_modules/a': {} },
    ],
  ])('installs again what was installed %s', (_what, more, installed) => {
    writeFileSync(
      join(root, 'package-lock.json'),
      JSON.stringify({ packages: { '': {}, 'node_modules/a': {}, ...more } }),
    );
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    writeFileSync(join(root, 'node_modules/.aimm-setup.json'), '{"lock":"of another platform"}');
    expect(setUp().called).toEqual([npmCi, generate]);
  });

  it('takes an install by hand that holds all this platform needs', () => {
    const others = {
      'node_modules/b': { optional: true, os: 'aix' },
      'node_modules/c': { optional: true, os: [process.platform], cpu: [process.arch], libc: ['musl'] },
      'node_modules/d': { optional: true },
      'node_modules/e': { optional: true, os: ['!aix', `!${process.platform}`] },
    };
    const installed = { 'node_modules/a': {}, 'node_modules/f': { os: ['!aix'] } };
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...installed, ...others } }));
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    expect(setUp().called).toEqual([generate]);
  });

  it('generates the clients again when a model has changed', () => {
    setUp();
    writeFileSync(join(root, 'prisma/schema.prisma'), 'model B');
    expect(setUp().called).toEqual([generate]);
  });

  it('says what failed and how to mend it, and fails', () => {
    install('npm', 'echo "the network is down" >&2; exit 1');
    const { status, stderr } = setUp();
    expect(status).toBe(1);
    expect(stderr).toContain('the network is down');
    expect(stderr).toContain('To mend it: check the network');
  });

  it('says what to install where there is no Redis server and no way to get one', () => {
    rmSync(join(programs, 'redis-server'));
    const { status, stderr } = setUp();
    expect(status).toBe(1);
    expect(stderr).toMatch(/neither redis-server nor valkey-server[\s\S]*brew install redis/);
  });

  it('says so where the Redis server is too old', () => {
    install('redis-server', 'echo "Redis server v=6.0.16 sha=00000000:0"');
    const { status, stderr } = setUp();
    expect(status).toBe(1);
    expect(stderr).toMatch(/no Redis server of version 7 or newer: .*redis-server is 6/);
    install('redis-server', 'echo "Redis server v=7.0.15 sha=00000000:0"');
    expect(setUp().status).toBe(0);
  });

  it('passes over a Redis server that is too old where another follows', () => {
    install('redis-server', 'echo "Redis server v=6.0.16 sha=00000000:0"');
    const local = join(root, 'local');
    mkdirSync(local);
    writeFileSync(join(local, 'redis-server'), '#!/bin/sh\necho "Redis server v=7.2.4 sha=00000000:0"\n', {
      mode: 0o755,
    });
    const done = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], {
      env: { PATH: [programs, local].join(delimiter) },
      encoding: 'utf8',
    });
    expect(done).toMatchObject({ status: 0, stderr: '' });
  });

  it('waits for another one that runs, and does nothing twice', async () => {
    install(
      'npm',
      `[ "$1" = ci ] || { /bin/mkdir -p "${root}/packages/database/generated"; exit 0; }
       /bin/mkdir "${root}/busy" || exit 1
       while [ -e "${root}/busy" ] && [ ! -e "${root}/go" ]; do /bin/sleep 0.02; done
       /bin/mkdir "${root}/node_modules"; /bin/rmdir "${root}/busy"`,
    );
    const start = () => spawn(process.execPath, [join(root, 'scripts/setup.mjs')], { env: { PATH: programs } });
    const first = start();
    await vi.waitFor(() => expect(existsSync(join(root, 'busy'))).toBe(true));
    const second = start();
    const [said] = await once(second.stdout, 'data');
    expect(String(said)).toBe(`Another set-up runs (process ${first.pid}): waiting for it.\n`);
    writeFileSync(join(root, 'go'), '');
    const codes = await Promise.all([first, second].map(async (one) => (await once(one, 'exit'))[0]));
    expect(codes).toEqual([0, 0]);
    const called = readFileSync(calls, 'utf8').trim().split('\n');
    expect(called.filter((call) => call.startsWith('npm'))).toEqual([npmCi, generate]);
  });

  it('does not wait for one that was killed', () => {
    const dead = spawnSync(process.execPath, ['--version']).pid;
    writeFileSync(join(root, '.aimm-setup.lock'), String(dead));
    expect(setUp()).toMatchObject({ status: 0, called: [npmCi, generate] });
    expect(existsSync(join(root, '.aimm-setup.lock'))).toBe(false);
  });

  it('takes a Valkey server as well', () => {
    rmSync(join(programs, 'redis-server'));
    install('valkey-server', '');
    expect(setUp().status).toBe(0);
  });

  it('gets a Redis server from apt as root, and updates the package lists only when it must', () => {
    rmSync(join(programs, 'redis-server'));
    install('env', 'while [ "$1" != apt-get ]; do shift; done; exec "$@"');
    // Fails until the lists are there.
    install(
      'apt-get',
      `if [ "$1" = update ]; then : > "${root}/lists"; exit 0; fi
       [ -e "${root}/lists" ] || exit 100
       printf '#!/bin/sh\\n' > "${programs}/redis-server"; /bin/chmod 755 "${programs}/redis-server"`,
    );
    if (process.getuid?.() !== 0) install('sudo', '[ "$2" = true ] || { shift; exec "$@"; }');
    const { status, called } = setUp();
    expect(status).toBe(0);
    const apt = called.filter((call) => call.startsWith('apt-get')).map((call) => call.split(' ')[1]);
    expect(apt).toEqual(['install', 'update', 'install']);
  });

  it('gets a Redis server from Homebrew where there is no apt', () => {
    rmSync(join(programs, 'redis-server'));
    install('brew', `printf '#!/bin/sh\\n' > "${programs}/redis-server"; /bin/chmod 755 "${programs}/redis-server"`);
    const { status, called } = setUp();
    expect(status).toBe(0);
    expect(called.filter((call) => call.startsWith('brew'))).toEqual(['brew install redis']);
  });

  const stranger = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const isThere = spawnSync(process.execPath, ['--version'], stranger).status === 0;
  it.skipIf(!isThere).each(['nobody', 'a set-up that was killed'])(
    'gets a Redis server also where the checkout is not ours to write to, which %s has locked',
    (locker) => {
      expect(setUp().status).toBe(0);
      rmSync(join(programs, 'redis-server'));
      install('brew', `printf '#!/bin/sh\\n' > "${programs}/redis-server"; /bin/chmod 755 "${programs}/redis-server"`);
      const dead = spawnSync(process.execPath, ['--version']).pid;
      if (locker !== 'nobody') writeFileSync(join(root, '.aimm-setup.lock'), String(dead));
      chmodSync(programs, 0o777);
      chmodSync(root, 0o555);
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], {
        env: { PATH: programs },
        encoding: 'utf8',
        ...stranger,
      });
      chmodSync(root, 0o755);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(existsSync(join(programs, 'redis-server'))).toBe(true);
    },
  );

  it('makes sure of a browser for the tests only', () => {
    expect(setUp().status).toBe(0);
    const { status, stderr } = setUp('--with-tests');
    expect(status).toBe(1);
    expect(stderr).toContain('no Chromium');
    install('chromium', '');
    expect(setUp('--with-tests').status).toBe(0);
  });
});
