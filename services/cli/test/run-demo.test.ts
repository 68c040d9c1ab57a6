import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { chooseDemoModels, toDemoEnvironment } from '../src/demo/run-demo.ts';
import { binPath } from '../src/stack/bin-path.ts';
import { listProcesses } from './support/processes.ts';

test('the demo takes nothing of the environment that leads out of it, or refuses what it asks', () => {
  const given = {
    HOME: '/home/me',
    OPENAI_API_KEY: 'sk',
    OPENAI_RPM: '1',
    BUDGET_USD_PER_DAY: '0.01',
    MISTRAL_BUDGET_USD_PER_MONTH: '0.01',
    AIMM_CONFIG_DIR: '/mine',
    REDIS_URL: 'redis://there',
  };
  expect(toDemoEnvironment(given, '/tmp/demo')).toEqual({
    HOME: '/home/me',
    AIMM_DATA_DIR: '/tmp/demo',
    AIMM_DEMO: 'on',
    DASHBOARD_PORT: '0',
    LOG_LEVEL: 'warn',
  });
});

test('the demo asks what config/ has: two models at least, ten at most', () => {
  const provider = (id: string) => ({ provider: id, name: id, default_model: 'm' });
  const model = (name: string) => ({ model: name, provider: 'a', demo: true });
  const choose = (providers: string[], models: string[] = []) =>
    chooseDemoModels({ providers: providers.map(provider), models: models.map(model) });
  expect(choose(['a', 'b'], ['a/m', 'a/n'])).toEqual(['a/m', 'b/m']);
  expect(choose(['a'], ['a/m', 'a/n', 'a/o'])).toEqual(['a/m', 'a/n']);
  expect(choose(Array.from({ length: 12 }, (_, index) => `p${index}`))).toHaveLength(10);
  expect(() => choose(['a'], ['a/m'])).toThrow('fewer than two models');
});

test(
  'a demo that is broken off while its stack starts ends with 130 and leaves nothing behind',
  { timeout: 60_000 },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aimm-run-demo-'));
    const child = spawn(process.execPath, [binPath, 'demo'], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        TMPDIR: dir,
        NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
      },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const stackLog = () => readdirSync(dir).some((name) => existsSync(join(dir, name, 'logs/stack.log')));
    await vi.waitFor(() => expect(stackLog()).toBe(true), { timeout: 20_000, interval: 20 });
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(listProcesses().filter(({ args }) => args.includes(dir))).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
    rmSync(dir, { recursive: true });
  },
);
