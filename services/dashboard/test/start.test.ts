import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asBrowser, ask } from './ask.ts';
import { createRedisServer } from './start-redis.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const token = 'a-token-for-this-test';

let dir: string;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'aimm-dashboard-start-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await rm(dir, { recursive: true, force: true });
});

/** The dashboard's own process, with nothing in its environment but what is given. */
function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], AIMM_DATA_DIR: dir, DASHBOARD_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let said = '';
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  for (const stream of streams) stream.on('data', (piece: Buffer) => (said += piece.toString()));
  // Not its `close`: that never comes once the channel was disconnected from here.
  const exited = Promise.all([once(child, 'exit'), ...streams.map((stream) => once(stream, 'close'))]).then(
    () => child.exitCode,
  );
  closers.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const ready = new Promise<string>((resolve) => {
    child.on('message', (message: { type: string; url: string }) => resolve(message.url));
  });
  const url = Promise.race([
    ready,
    exited.then((code) => {
      throw new Error(`left with code ${code}:\n${said}`);
    }),
  ]);
  url.catch(() => undefined);
  return { child, exited, url, said: () => said };
}

const nowhere = (folder: string) => ({
  REDIS_URL: `unix:${join(folder, 'nobody.sock')}`,
  DATABASE_URL: `file:${join(folder, 'aimm.db')}`,
});

describe('what is wrong is said, and the process leaves', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'dash.example'])(
    'at %s it does not start without a token',
    async (DASHBOARD_HOST) => {
      const dashboard = run({ ...nowhere(dir), DASHBOARD_HOST });
      expect(await dashboard.exited).toBe(2);
      expect(dashboard.said()).toContain('environment: AIMM_AUTH_TOKEN: expected a token of at least 16 characters');
    },
  );

  test('without REDIS_URL and without a local stack it says how to get one', async () => {
    const dashboard = run({});
    expect(await dashboard.exited).toBe(2);
    expect(dashboard.said()).toMatch(/REDIS_URL: expected .*aimm up/);
  });

  test('every fault of the environment comes at once', async () => {
    const dashboard = run({ DASHBOARD_PORT: 'http', AIMM_AUTH_TOKEN: 'short', LOG_LEVEL: 'loud' });
    expect(await dashboard.exited).toBe(2);
    for (const name of ['DASHBOARD_PORT', 'AIMM_AUTH_TOKEN', 'LOG_LEVEL', 'REDIS_URL'])
      expect(dashboard.said()).toContain(`environment: ${name}: `);
  });

  test('a port that is taken is named with its variable', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    closers.push(async () => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';

    const dashboard = run({ ...nowhere(dir), DASHBOARD_PORT: port });
    expect(await dashboard.exited).toBe(1);
    expect(dashboard.said()).toContain(`127.0.0.1:${port}`);
    expect(dashboard.said()).toContain('Set DASHBOARD_PORT');
    expect(dashboard.said()).not.toMatch(/\n +at /);
  });
}, 20_000);

describe('a running process', () => {
  test('tells its supervisor where it really listens, and leaves when the supervisor does', async () => {
    const dashboard = run(nowhere(dir));
    const url = await dashboard.url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
    expect((await ask(`${url}/login`)).status).toBe(404);

    dashboard.child.disconnect();
    expect(await dashboard.exited).toBe(0);
  });

  test('leaves with 0 on SIGTERM, also while Redis is away', async () => {
    const dashboard = run(nowhere(dir));
    await dashboard.url;
    dashboard.child.kill('SIGTERM');
    expect(await dashboard.exited).toBe(0);
  });

  test('shows no key, token or password, neither in a page nor in its log', async () => {
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const redis = await createRedisServer(logger);
    await redis.start();
    closers.push(() => redis.remove());
    const planted = {
      OPENAI_API_KEY: 'sk-planted-key-1',
      GEMINI_API_KEY: 'planted-key-2',
    };
    const dashboard = run({
      ...planted,
      REDIS_URL: redis.url,
      DATABASE_URL: 'postgresql://someone:planted-pass-4@127.0.0.1:1/aimm',
      AIMM_AUTH_TOKEN: token,
      LOG_LEVEL: 'trace',
    });
    const url = await dashboard.url;

    const visitors: Record<string, string>[] = [asBrowser, { authorization: `Bearer ${token}` }];
    const said: string[] = [];
    for (const path of ['/', '/healthz', '/login', '/queues', '/queues/api/queues', '/queues/api/redis/stats', '/no']) {
      for (const headers of visitors) {
        const answer = await ask(`${url}${path}`, { headers });
        said.push(answer.text, JSON.stringify(answer.headers));
      }
    }
    const signedIn = await ask(`${url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `token=${token}`,
    });
    expect(signedIn.status).toBe(303);
    said.push(JSON.stringify(signedIn.headers));
    dashboard.child.kill('SIGTERM');
    await dashboard.exited;

    const everything = [...said, dashboard.said()].join('\n');
    expect(everything).toContain('Dashboard listens');
    for (const secret of [...Object.values(planted), 'planted-pass-4', token]) expect(everything).not.toContain(secret);
  });
}, 30_000);
