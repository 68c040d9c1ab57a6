// Sets a checkout up: packages, a Redis server, generated Prisma clients, and with --with-tests a browser.
// Node built-ins only: it runs before anything is installed. Does nothing, quickly, where nothing is to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.aimm-setup.json');
/** Not among the packages: `npm ci` removes all of those. */
const lockFile = join(root, '.aimm-setup.lock');
/** No step takes as long: whoever held it has gone. */
const lockedAtMostMs = 15 * 60_000;
/** How far apart npm writes its two lock files at most. */
const writtenTogetherMs = 2_000;
/** The first with flags for scripts: what is paid for is written down even where its memory is full. */
const oldestRedis = 7;
const withTests = process.argv.includes('--with-tests');

class SetupError extends Error {
  constructor(message, mend) {
    super(message);
    this.mend = mend;
  }
}

try {
  checkNode();
  ensurePackages();
  if (withTests || !process.env.REDIS_URL) ensureRedisServer();
  ensurePrismaClients();
  if (withTests) ensureBrowser();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\nSet-up stopped: ${error.message}\nTo mend it: ${error.mend}\n`);
  process.exit(1);
}

function checkNode() {
  if (Number(process.versions.node.split('.')[0]) >= 20) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old; set-up needs Node 20 or newer.`,
    'install it from https://nodejs.org or your system’s package manager, then run the same command again.',
  );
}

function ensurePackages() {
  const lock = hashOf([join(root, 'package-lock.json')], `${process.platform}-${process.arch}`);
  const isDone = () => installedAlready(lock);
  onceForAll(isDone, () => {
    leaveRunningStack();
    step('Installing packages', () => {
      const [command, ...args] = npmCommand();
      run(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
        env: { ...process.env, PATH: hostPath() },
        mend: 'check the network and the message above, then run `npm ci`.',
      });
    });
    writeStamp({ lock });
  });
  const ownNode = join(modules, `node-linux-${process.arch}`, 'bin', 'node');
  if (!existsSync(ownNode) && !runsTypeScript(process.versions.node)) {
    throw new SetupError(
      `the packages brought no Node for ${process.platform}-${process.arch}, and Node ${process.versions.node} cannot run TypeScript.`,
      'install Node 24, or run `npm ci` again if a download failed.',
    );
  }
}

/**
 * A stack in the background would go on with packages that are no longer there. One without clients is ended: the next client
 * starts it anew, and its queue is on the disk. Of one that somebody uses it is said how to end it.
 */
function leaveRunningStack() {
  const bin = join(root, 'services', 'cli', 'bin', 'aimm.mjs');
  if (!existsSync(modules) || !existsSync(bin)) return;
  const stack = readStatus(bin);
  if (stack.running !== true) return;
  if (stack.clients === 0 && stack.foreground === false) {
    step('Ending the idle stack in the background', () =>
      run(process.execPath, [bin, 'down'], { mend: 'run `npx aimm down`, then the same command again.' }),
    );
    return;
  }
  process.stderr.write(
    `A stack runs (process ${stack.pid}, ${stack.foreground ? 'in a terminal' : `${stack.clients} clients`}) on packages that are replaced now.\n` +
      'End it with `npx aimm down`; the next client starts it anew.\n',
  );
}

/** Packages of another version than the sources may not even start: then nothing is known, and nothing is done. */
function readStatus(bin) {
  const { stdout } = spawnSync(process.execPath, [bin, 'status', '--json'], { encoding: 'utf8', timeout: 20_000 });
  try {
    return JSON.parse(stdout);
  } catch {
    return {};
  }
}

/** An install made by hand counts too: npm writes its hidden lock at the end of each, beside the lock file. */
function installedAlready(lock) {
  if (!existsSync(modules)) return false;
  if (readStamp().lock === lock) return true;
  const hiddenLock = join(modules, '.package-lock.json');
  const hidden = modifiedAt(hiddenLock);
  const written = modifiedAt(join(root, 'package-lock.json'));
  if (hidden === undefined || written === undefined || hidden < written - writtenTogetherMs) return false;
  if (!isWhole(readPackages(hiddenLock), readPackages(join(root, 'package-lock.json')))) return false;
  writeStamp({ lock });
  return true;
}

/** Whether what is installed is for this platform, and all that it needs: neither another's nor without the tests' packages. */
function isWhole(installed, wanted) {
  return (
    Object.values(installed).every(isForUs) &&
    Object.entries(wanted).every(([path, entry]) => path === '' || path in installed || mayBeAbsent(entry))
  );
}

/** Of the optional ones each platform has its own. Which C library it has, npm knows better. */
function mayBeAbsent(entry) {
  if (entry.optional !== true) return false;
  const isForPlatforms = entry.os !== undefined && entry.cpu !== undefined && entry.libc === undefined;
  return !isForPlatforms || !isForUs(entry);
}

function isForUs({ os, cpu }) {
  return allows(os, process.platform) && allows(cpu, process.arch);
}

/** A package's `os` or `cpu`: one name or several, which are those it is for or, with `!`, those it is not for. */
function allows(names, own) {
  const [not, only] = [true, false].map((no) => [names ?? []].flat().filter((name) => name.startsWith('!') === no));
  return !not.includes(`!${own}`) && (only.length === 0 || only.includes(own));
}

/** By their folders; none where the file cannot be read as a lock file. */
function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

function ensureRedisServer() {
  const find = () => findPrograms(['redis-server', 'valkey-server']);
  const isThere = () => find().some((file) => !(redisVersionOf(file) < oldestRedis));
  onceForAll(isThere, () =>
    step('Installing a Redis server', () => installWith({ apt: ['redis-server'], brew: 'redis' })),
  );
  if (isThere()) return;
  const old = find().map((file) => `${file} is ${redisVersionOf(file)}`);
  throw new SetupError(
    `no Redis server of version ${oldestRedis} or newer: ${old.length > 0 ? old.join(', ') : 'neither redis-server nor valkey-server is on PATH'}.`,
    'install one (Debian, Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`; Fedora: `dnf install valkey`), or set REDIS_URL to one that runs.',
  );
}

/** Major and minor, as a number; what says no version counts as new. */
function redisVersionOf(file) {
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  return Number.parseFloat(/v=(\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? 'NaN');
}

function ensureBrowser() {
  const isThere = () =>
    (findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) ?? macChrome()) !==
    undefined;
  onceForAll(isThere, () =>
    step('Installing Chromium for the browser tests', () => installWith({ apt: ['chromium', 'fonts-liberation'] })),
  );
  if (isThere()) return;
  throw new SetupError(
    'no Chromium or Chrome for the browser tests.',
    'install one (Debian: `apt-get install chromium`).',
  );
}

function macChrome() {
  const path = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  return process.platform === 'darwin' && existsSync(path) ? path : undefined;
}

function ensurePrismaClients() {
  const database = join(root, 'packages', 'database');
  const sources = [
    ...filesUnder(join(root, 'prisma')),
    ...filesUnder(join(database, 'scripts')),
    join(database, 'prisma.config.ts'),
    join(database, 'package.json'),
  ].filter((file) => existsSync(file));
  const prisma = hashOf(sources);
  const isDone = () => readStamp().prisma === prisma && existsSync(join(database, 'generated'));
  onceForAll(isDone, () => {
    step('Generating Prisma clients', () => {
      // Through npm: its scripts run under the checkout's own Node.
      const [command, ...args] = npmCommand();
      run(command, [...args, 'run', 'generate', '-w', '@aimm/database'], {
        mend: 'read the message above; `npm run generate -w @aimm/database` repeats it.',
      });
    });
    writeStamp({ prisma });
  });
}

/** Installs with what the machine has; does nothing where it has neither apt-get (with rights) nor Homebrew. */
function installWith({ apt, brew }) {
  const admin = findProgram(['apt-get']) ? adminPrefix() : undefined;
  if (admin !== undefined) return installWithApt(admin, apt);
  if (brew !== undefined && findProgram(['brew'])) {
    run('brew', ['install', brew], { mend: `run \`brew install ${brew}\` and read what it says.` });
  }
}

function installWithApt(admin, packages) {
  // RUNLEVEL=1 asks the package not to start a service of its own: the stack runs a private server.
  const aptGet = [...admin, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get'];
  const mend = `run \`apt-get install ${packages.join(' ')}\` as root and read what it says.`;
  const update = () => run(aptGet[0], [...aptGet.slice(1), 'update', '-qq'], { mend });
  const install = () =>
    run(aptGet[0], [...aptGet.slice(1), 'install', '-y', '-qq', '--no-install-recommends', ...packages], { mend });
  try {
    install();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // The package lists are missing or old.
    update();
    install();
  }
}

/** What to put before a command that needs root; undefined without a way to be root. */
function adminPrefix() {
  if (process.getuid?.() === 0) return [];
  if (findProgram(['sudo']) === undefined) return undefined;
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

/** Does the work unless it is done; what another set-up does at the same time is waited for, and not done again. */
function onceForAll(isDone, work) {
  if (isDone()) return;
  const isLocked = takeLock();
  try {
    if (!isDone()) work();
  } finally {
    if (isLocked) rmSync(lockFile, { force: true });
  }
}

/** Gives whether it could: in a checkout that is not ours to write to there is none, and each set-up does its own work. */
function takeLock() {
  try {
    waitForLock();
    return true;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
    return false;
  }
}

function waitForLock() {
  let said = false;
  for (;;) {
    try {
      return writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = findLockHolder();
    if (holder === undefined) {
      rmSync(lockFile, { force: true });
      continue;
    }
    if (!said) process.stdout.write(`Another set-up runs (process ${holder}): waiting for it.\n`);
    said = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
}

/** Undefined where whoever held it has died or let go. */
function findLockHolder() {
  const takenAt = modifiedAt(lockFile);
  if (takenAt === undefined || Date.now() - takenAt > lockedAtMostMs) return undefined;
  try {
    const pid = Number(readFileSync(lockFile, 'utf8'));
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return error.code === 'EPERM' ? 'of another user' : undefined;
  }
}

function step(name, work) {
  const startedAt = Date.now();
  process.stdout.write(`${name} …`);
  work();
  process.stdout.write(` done (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
}

/** Runs quietly; a failure brings the end of what the command said. */
function run(command, args, { env = process.env, mend }) {
  const done = spawnSync(command, args, { cwd: root, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status === 0) return;
  const said = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().split('\n').slice(-20).join('\n');
  const why = done.error?.message ?? `it ended with ${done.signal ?? `code ${done.status}`}`;
  throw new SetupError(`\`${[command, ...args].join(' ')}\` failed: ${why}.${said === '' ? '' : `\n${said}`}`, mend);
}

/** The npm of the host: the one that runs us, else the one on PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (findProgram(['npm'], hostPath()) === undefined && script !== undefined) return [process.execPath, script];
  return ['npm'];
}

/** PATH without this checkout's node_modules/.bin: `npm ci` must not run on the Node that it is about to replace. */
function hostPath() {
  const entries = (process.env.PATH ?? '').split(delimiter);
  return entries.filter((entry) => !entry.startsWith(modules + sep)).join(delimiter);
}

function findProgram(names, path = process.env.PATH ?? '') {
  return findPrograms(names, path)[0];
}

function findPrograms(names, path = process.env.PATH ?? '') {
  const files = names.flatMap((name) => path.split(delimiter).map((directory) => join(directory, name)));
  return files.filter((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false; // Not there, or not ours to run: the next one.
    }
  });
}

function runsTypeScript(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

function filesUnder(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .filter((path) => statSync(path).isFile())
    .toSorted((a, b) => (a < b ? -1 : 1));
}

function hashOf(files, seed = '') {
  const hash = createHash('sha256').update(seed);
  for (const file of files) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function modifiedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

function readStamp() {
  if (!existsSync(stampFile)) return {};
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {}; // A half-written stamp is no stamp.
  }
}

function writeStamp(entries) {
  if (existsSync(modules)) writeFileSync(stampFile, `${JSON.stringify({ ...readStamp(), ...entries })}\n`);
}
