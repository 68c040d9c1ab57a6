import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StackInfo, toStackPaths } from '@aimm/local-stack';
import { createLogger } from '@aimm/runtime';
import { expect, it, onTestFinished } from 'vitest';
import { openControlServer } from '../src/stack/control-server.ts';
import { acquireStackLock } from '../src/stack/stack-lock.ts';
import { runCli } from './support/run-cli.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });

it(
  'refuses to join a stack on another Redis or database, and shows the password of none',
  { timeout: 60_000 },
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'aimm-up-'));
    const { controlSocket, runDir, lockFile } = toStackPaths(dataDir);
    mkdirSync(runDir, { recursive: true });
    const lock = acquireStackLock(lockFile);
    const server = await openControlServer({
      path: controlSocket,
      logger,
      onHandover: async () => undefined,
      onChange: () => undefined,
      onStop: () => undefined,
    });
    const info: StackInfo = {
      pid: process.pid,
      version: '0.0.0',
      dataDir,
      redisUrl: 'redis://:hush@stack',
      databaseUrl: 'postgresql://me:hush@stack/aimm',
      demo: true,
      configured: [],
      startedAt: 0,
      foreground: false,
      workers: 1,
      clients: 0,
      problems: [],
    };
    server.publish(info);
    onTestFinished(async () => {
      lock?.release();
      await server.close();
      rmSync(dataDir, { recursive: true, force: true });
    });
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
