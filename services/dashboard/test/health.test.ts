import { afterEach, expect, test } from 'vitest';
import { ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture } from './dashboard-fixture.ts';

const token = 'a-token-for-this-test';

/** A little more than what the connection is given, for busy machines. */
const promptMs = 3_000;

let dashboard: DashboardFixture;
afterEach(() => dashboard.close());

const readHealth = async (headers: Record<string, string> = {}) => {
  const { status, text } = await ask(`${dashboard.url}/healthz`, { headers });
  return { status, body: JSON.parse(text) };
};

test('with a queue, a database and a worker it says ok', async () => {
  dashboard = await createDashboardFixture();
  await dashboard.announceWorker();

  const { status, body } = await readHealth();
  expect(status).toBe(200);
  expect(body).toMatchObject({
    status: 'ok',
    queue: { reachable: true },
    database: { reachable: true },
    workers: [{ host: 'test-host', pid: 4242 }],
  });
});

test('without a worker it says degraded, and still 200', async () => {
  dashboard = await createDashboardFixture();
  expect(await readHealth()).toMatchObject({ status: 200, body: { status: 'degraded', workers: [] } });
});

test('with Redis down it says down with 503 promptly, and ok once Redis is back', async () => {
  let clock = Date.now();
  dashboard = await createDashboardFixture({ now: () => clock });
  await readHealth();
  await dashboard.redis.stop();
  clock += 2_000;

  const startedAt = performance.now();
  expect(await readHealth()).toMatchObject({
    status: 503,
    body: { status: 'down', queue: { reachable: false }, database: { reachable: true } },
  });
  expect(performance.now() - startedAt).toBeLessThan(promptMs);

  await dashboard.redis.start();
  const next = async () => {
    clock += 2_000;
    return (await readHealth()).status;
  };
  await expect.poll(next, { timeout: 5_000 }).toBe(200);
});

test('after its clock was set back it looks anew all the same', async () => {
  let clock = Date.now();
  dashboard = await createDashboardFixture({ now: () => clock });
  expect(await readHealth()).toMatchObject({ status: 200 });
  clock -= 3_600_000;
  await dashboard.redis.stop();
  expect(await readHealth()).toMatchObject({ status: 503 });
});

test('with the database down it says down with 503, and gives away no password', async () => {
  dashboard = await createDashboardFixture({ databaseUrl: 'postgresql://someone:pass-not-to-tell@127.0.0.1:1/aimm' });

  const { status, body } = await readHealth();
  expect([status, body.status]).toEqual([503, 'down']);
  expect(body).toMatchObject({ queue: { reachable: true }, database: { reachable: false } });
  expect(JSON.stringify(body)).not.toContain('pass-not-to-tell');
});

test('strangers learn the status and nothing else; who has the token learns the rest', async () => {
  dashboard = await createDashboardFixture({ token });
  await dashboard.announceWorker();

  expect(await readHealth()).toEqual({ status: 200, body: { status: 'ok' } });
  expect(await readHealth({ authorization: 'Bearer not-the-right-token' })).toEqual({
    status: 200,
    body: { status: 'ok' },
  });
  const { body } = await readHealth({ authorization: `Bearer ${token}` });
  expect(Object.keys(body)).toEqual(['status', 'queue', 'database', 'workers']);
});
