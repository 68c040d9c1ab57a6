import { toStackPaths } from '@aimm/local-stack';
import { expect, it, onTestFinished } from 'vitest';
import { acquireStackLock } from '../src/stack/stack-lock.ts';
import { makeStackDirectory, openBareStack, toStackInfo } from './support/bare-stack.ts';
import { runCli } from './support/run-cli.ts';

it(
  'refuses to join a stack on another Redis or database, and shows the password of none',
  { timeout: 60_000 },
  async () => {
    const dataDir = makeStackDirectory();
    const lock = acquireStackLock(toStackPaths(dataDir).lockFile);
    onTestFinished(() => lock?.release());
    const server = await openBareStack(dataDir);
    const addresses = { redisUrl: 'redis://:hush@stack', databaseUrl: 'postgresql://me:hush@stack/aimm' };
    server.publish(toStackInfo(dataDir, addresses));
    const { PATH = '', HOME = '' } = process.env;
    const up = (more: Record<string, string>) => runCli(['up'], { PATH, HOME, AIMM_DATA_DIR: dataDir, ...more });
    const [redis, database] = await Promise.all([
      up({ REDIS_URL: 'redis://:hush@other' }),
      up({ DATABASE_URL: 'postgresql://me:hush@other/aimm' }),
    ]);
    expect(redis).toMatchObject({ code: 1, stderr: expect.stringContaining('another Redis (redis://:…@stack)') });
    expect(database).toMatchObject({ code: 1, stderr: expect.stringContaining('another database') });
    for (const { stdout, stderr } of [redis, database]) expect(stdout + stderr).not.toContain('hush');
  },
);
