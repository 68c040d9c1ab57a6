import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import { expect, it } from 'vitest';
import { findPlace } from '../src/stack/find-place.ts';
import { makeStackDirectory, openBareStack, toStackInfo } from './support/bare-stack.ts';
import { runCli } from './support/run-cli.ts';

const stackRedis = 'unix:/of-the-stack';

/** A data directory in which a stack runs on a database of its own. */
async function startStack() {
  const dataDir = makeStackDirectory();
  const databaseUrl = `file:${join(dataDir, 'of-the-stack.db')}`;
  const server = await openBareStack(dataDir);
  server.publish(toStackInfo(dataDir, { redisUrl: stackRedis, databaseUrl }));
  return { dataDir, databaseUrl };
}

it('is the stack’s where the environment names neither, and the file of the data directory where none runs', async () => {
  const { dataDir, databaseUrl } = await startStack();
  expect(await findPlace({ dataDir })).toEqual({ databaseUrl, redisUrl: stackRedis });
  const empty = join(dataDir, 'another');
  expect(await findPlace({ dataDir: empty })).toEqual({
    databaseUrl: `file:${join(empty, 'aimm.db')}`,
    redisUrl: undefined,
  });
});

it('is what REDIS_URL and DATABASE_URL say, whatever runs on this machine', async () => {
  const { dataDir, databaseUrl } = await startStack();
  const given = { REDIS_URL: 'redis://prod', DATABASE_URL: 'postgresql://prod/aimm' };
  const expected = { databaseUrl: given.DATABASE_URL, redisUrl: given.REDIS_URL };
  expect(await findPlace({ dataDir, ...given })).toEqual(expected);
  expect(await findPlace({ dataDir, REDIS_URL: 'redis://prod' })).toEqual({
    databaseUrl: `file:${join(dataDir, 'aimm.db')}`,
    redisUrl: 'redis://prod',
  });
  // A change there must not be announced to a stack that has nothing to do with it.
  const { DATABASE_URL } = given;
  expect(await findPlace({ dataDir, DATABASE_URL })).toEqual({ databaseUrl: DATABASE_URL, redisUrl: undefined });
  expect(await findPlace({ dataDir, DATABASE_URL: databaseUrl })).toEqual({ databaseUrl, redisUrl: stackRedis });
});

it('is where `aimm tokens` and `aimm doctor` look, and what they say', { timeout: 30_000 }, async () => {
  const { dataDir, databaseUrl } = await startStack();
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, AIMM_DATA_DIR: dataDir, HTTP_PORT: '0', DASHBOARD_PORT: '0' };
  const DATABASE_URL = `file:${join(dataDir, 'given.db')}`;
  const [made, examined] = await Promise.all([
    runCli(['tokens', 'create', '--name', 'ci'], { ...env, DATABASE_URL }),
    runCli(['doctor', '--json'], { ...env, DATABASE_URL, REDIS_URL: 'redis://127.0.0.1:1' }),
  ]);
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining(`Database: ${DATABASE_URL}\n`) });
  expect(examined.stdout).toContain('redis://127.0.0.1:1');
  expect(examined.stdout).toContain(DATABASE_URL);
  expect(examined.stdout).not.toContain('of-the-stack');
  const database = await createDatabase({ url: DATABASE_URL });
  expect(await database.accessTokens.list()).toMatchObject([{ name: 'ci' }]);
  await database.close();
  expect(existsSync(databaseUrl.slice('file:'.length))).toBe(false);
});
