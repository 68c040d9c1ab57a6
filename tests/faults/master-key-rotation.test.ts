import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import { ensureMasterKeys, findMasterKeys } from '@aimm/runtime';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { operator } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { startAimm } from '../support/run-aimm.ts';
import { createRandom } from '../support/seeded-random.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const quick = { timeout: 15_000, interval: 50 };
const keys = ['sk-stored-number-one-1234', 'sk-stored-number-two-5678'];

/** Kills its process with SIGKILL right before, or right after, it calls this function of `node:fs` on such a path. */
const killAt = (name: string, path: string, moment: 'before' | 'after') =>
  `data:text/javascript,${encodeURIComponent(`
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const real = fs.${name};
fs.${name} = (...given) => {
  const isIt = given.slice(0, 2).some((path) => typeof path === 'string' && path.endsWith(${JSON.stringify(path)}));
  if (isIt && ${JSON.stringify(moment)} === 'before') process.kill(process.pid, 'SIGKILL');
  const result = real(...given);
  if (isIt) process.kill(process.pid, 'SIGKILL');
  return result;
};
syncBuiltinESMExports();`)}`;

async function createVault(kind: (typeof databaseKinds)[number] = 'sqlite') {
  const dataDir = mkdtempSync(join(tmpdir(), 'aimm-rotate-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const url = await createEmptyDatabase(kind);
  const place = { AIMM_MASTER_KEY: undefined, dataDir };
  const database = await createDatabase({ url });
  onTestFinished(() => database.close());
  const [old = ''] = ensureMasterKeys(place);
  for (const key of keys) await database.apiKeys.add({ provider: 'mistral', key }, old);

  const start = (env: Record<string, string> = {}, preload?: string, stdin?: string) =>
    startAimm({ AIMM_DATA_DIR: dataDir, DATABASE_URL: url, LOG_LEVEL: 'trace', ...env }, ['keys', 'rotate'], {
      stdin,
      preload,
    });
  /** What opens with what is on the disk now, and with one master key alone. */
  const readAll = async (masterKeys: readonly string[] = findMasterKeys(place)) => {
    const listed = await database.apiKeys.list();
    return Promise.all(
      listed.map(({ id }) => database.apiKeys.reveal(id, masterKeys).catch(({ message }: Error) => message)),
    );
  };
  return { dataDir, url, place, database, old, start, readAll };
}

/** The quick form takes two of the steps, by seed. */
const random = createRandom();
const isLong = process.env['FAULT_ROUNDS'] !== undefined;
const steps = [
  ['before the new key is on the disk', 'linkSync', 'master.key.next', 'before'],
  ['when it is there, and no key is under it', 'linkSync', 'master.key.next', 'after'],
  ['when all keys are under it, and it stands beside the old one', 'renameSync', 'master.key', 'before'],
  ['when it has taken the old one’s place', 'renameSync', 'master.key', 'after'],
] as const;
const [first, second] = [Math.floor(random.between(0, 2)), 2 + Math.floor(random.between(0, 2))];

test.each(steps.filter((_, index) => isLong || index === first || index === second))(
  'a rotation killed %s locks no key out, and the next brings it to its end',
  async (_when, name, path, moment) => {
    const { start, readAll, old, place, dataDir } = await createVault();
    const killed = await start({}, killAt(name, path, moment)).ended;
    expect(killed).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(await readAll()).toEqual(keys);

    expect(await start().ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 stored keys are under a new'),
    });
    expect(await readAll()).toEqual(keys);
    expect(findMasterKeys(place)).toHaveLength(1);
    expect(findMasterKeys(place)).not.toContain(old);
    for (const said of await readAll([old])) expect(said).toContain('under another master key');
    expect(readdirSync(dataDir).filter((file) => file.startsWith('master.key'))).toEqual(['master.key']);
    expect(statSync(join(dataDir, 'master.key')).mode & 0o777).toBe(0o600);
  },
);

test.each(databaseKinds)('a rotation killed while it writes to %s has changed nothing there', async (kind) => {
  const { start, readAll, old, url, dataDir, place, database } = await createVault(kind);
  const before = await database.apiKeys.list();
  const release = await holdTable(kind, url);
  const { child, ended } = start();
  // From here on it waits for the table.
  await expect.poll(() => existsSync(join(dataDir, 'master.key.next')), quick).toBe(true);
  child.kill('SIGKILL');
  await ended;
  await release();
  expect(await database.apiKeys.list()).toEqual(before);
  expect(await readAll([old])).toEqual(keys);
  // A key that is stored before the rotation goes on is not lost by that either.
  await database.apiKeys.add({ provider: 'openai', key: 'sk-stored-in-between' }, findMasterKeys(place));
  expect(await start().ended).toMatchObject({ code: 0, stdout: expect.stringContaining('that was cut off') });
  expect(await readAll()).toEqual([...keys, 'sk-stored-in-between']);
  expect(findMasterKeys(place)).toHaveLength(1);
});

test('of two rotations at once one is made, the other told; nobody prints a master key', async () => {
  const { start, readAll, old, place, url } = await createVault();
  const release = await holdTable('sqlite', url);
  const first = start();
  await expect.poll(() => findMasterKeys(place).length, quick).toBe(2);
  const second = await start().ended;
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('Another `aimm keys rotate`') });
  await release();
  const done = await first.ended;
  expect(done.code).toBe(0);
  expect(await readAll()).toEqual(keys);
  const shown = [done, second].map(({ stdout, stderr }) => stdout + stderr).join('');
  for (const secret of [old, ...findMasterKeys(place), ...keys]) expect(shown).not.toContain(secret);
});

test('the master key of the environment is followed by another, from there or from stdin', async () => {
  const { start, readAll, old, dataDir } = await createVault();
  const [second, third] = ['the-second-master-key-8Jd', 'the-third-master-key-2Lq'];
  const wrong = await start({ AIMM_MASTER_KEY: 'not-the-one-in-force', AIMM_NEW_MASTER_KEY: second }).ended;
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('under another master key') });
  expect(wrong.stderr).toContain('Set AIMM_MASTER_KEY');
  const moved = await start({ AIMM_MASTER_KEY: old, AIMM_NEW_MASTER_KEY: second }).ended;
  expect(moved).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 stored keys are under the new master key'),
  });
  const again = await start({ AIMM_MASTER_KEY: old, AIMM_NEW_MASTER_KEY: second }).ended;
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('They had been before.') });
  const piped = await start({ AIMM_MASTER_KEY: second }, undefined, `${third}\n`).ended;
  expect(piped.code).toBe(0);
  expect(await readAll([third])).toEqual(keys);
  for (const said of await readAll([old, second])) expect(said).toContain('under another master key');
  const short = await start({ AIMM_MASTER_KEY: third }, undefined, 'too short').ended;
  expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining('16 characters') });
  // The file was not asked, so it is as it was.
  expect(readFileSync(join(dataDir, 'master.key'), 'utf8').trim()).toBe(old);
  const shown = [wrong, moved, again, piped, short].map(({ stdout, stderr }) => stdout + stderr).join('');
  for (const secret of [old, second, third, 'not-the-one-in-force', ...keys]) expect(shown).not.toContain(secret);
});

test('workers go on with their keys: those with the file take up the new master key, those with the old one say what to do', async () => {
  const { start, old, url, dataDir, database, place } = await createVault();
  const stack = await createFaultStack({ databaseUrl: url, env: { MISTRAL_API_KEY: '', AIMM_DATA_DIR: dataDir } });
  const front = await stack.openFront();
  const reading = await stack.startWorker();
  const ask = async () => (await (await stack.generate(front, 'asked')).result).text;
  expect(await ask()).toContain('asked');
  await reading.end();
  const given = await stack.startWorker({ AIMM_MASTER_KEY: old });
  expect(await ask()).toContain('asked');

  expect(await start().ended).toMatchObject({ code: 0 });
  await expect.poll(() => given.log(), quick).toMatch(/set AIMM_MASTER_KEY to the new master key and restart/);
  for (let calls = 0; calls < keys.length; calls += 1) expect(await ask()).toContain('asked');
  await given.end();

  const anew = await stack.startWorker();
  expect(await start().ended).toMatchObject({ code: 0 });
  await database.apiKeys.add({ provider: 'mistral', key: 'sk-stored-after-it' }, findMasterKeys(place));
  const known = async () => (await front.health(operator, { provider: 'mistral' })).providers[0]?.keys;
  await expect
    .poll(async () => (await known())?.map(({ state }) => state), quick)
    .toEqual(['in_use', 'in_use', 'in_use']);
  const from = stack.upstream.calls.length;
  for (let calls = 0; calls < 3; calls += 1) await ask();
  const used = stack.upstream.calls.slice(from).map(({ authorization }) => authorization?.replace('Bearer ', ''));
  expect(new Set(used)).toEqual(new Set([...keys, 'sk-stored-after-it']));
  expect(anew.log()).not.toContain('cannot be read');
});

/** Lets nobody write stored keys until it is called. */
async function holdTable(kind: (typeof databaseKinds)[number], url: string): Promise<() => Promise<void>> {
  if (kind === 'sqlite') {
    const file = new Sqlite(url.slice('file:'.length));
    file.exec('BEGIN IMMEDIATE');
    return async () => void file.close();
  }
  const client = new pg.Client(url);
  await client.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE');
  return () => client.end();
}
