import { queueOf, systemQueues } from '@aimm/queue';
import { afterEach, expect, test } from 'vitest';
import { asBrowser, ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture, providers } from './dashboard-fixture.ts';

const queueNames = [
  ...providers.flatMap((id) => [queueOf('generate', id), queueOf('check-health', id)]),
  ...systemQueues,
];

/** A little more than what the connection is given, for busy machines. */
const promptMs = 3_000;

let dashboard: DashboardFixture;
afterEach(() => dashboard.close());

const readQueues = async (query = '') => {
  const { status, text } = await ask(`${dashboard.url}/queues/api/queues${query}`);
  return { status, queues: status === 200 ? (JSON.parse(text).queues as { name: string; jobs: unknown[] }[]) : [] };
};

test('Bull Board lists every queue of every provider, and a queue’s jobs', async () => {
  dashboard = await createDashboardFixture();
  await dashboard.addJob();

  const { queues } = await readQueues('?activeQueue=mistral&status=prioritized&page=1&jobsPerPage=10');
  expect(queues.map(({ name }) => name)).toEqual(queueNames);
  expect(queues.find(({ name }) => name === 'mistral')?.jobs).toMatchObject([
    { id: 'gen_00000000-0000-7000-8000-000000000001', name: 'generate', data: { provider: 'mistral' } },
  ]);
});

test('its page carries our title and, while answers are made up, says so', async () => {
  dashboard = await createDashboardFixture();
  expect((await ask(`${dashboard.url}/queues`)).text).toContain('<title>AI Model Manager</title>');

  await dashboard.announceWorker({ demo: true });
  // What workers report is asked for at most once a second.
  await expect.poll(async () => (await ask(`${dashboard.url}/queues`)).text, { timeout: 4_000 }).toContain('DEMO');
});

test('Redis’s own details stay out of it', async () => {
  dashboard = await createDashboardFixture();
  expect((await ask(`${dashboard.url}/queues/api/redis/stats`)).status).toBe(403);
});

test('what waits for the database cannot be thrown away with a button, and can be seen', async () => {
  dashboard = await createDashboardFixture();
  const redis = dashboard.connect();
  for (const queue of ['persist-usage', 'persist-turn', 'persist-batch']) {
    await redis.hset(`{aimm}:${queue}:owed`, { name: queue, data: '{}', timestamp: Date.now() });
    await redis.lpush(`{aimm}:${queue}:wait`, 'owed');
    for (const button of ['empty', 'clean/waiting', 'obliterate', 'pause', 'owed/clean']) {
      const { status } = await ask(`${dashboard.url}/queues/api/queues/${queue}/${button}`, { method: 'PUT' });
      expect([queue, button, status]).toEqual([queue, button, 405]);
    }
    const { queues } = await readQueues(`?activeQueue=${queue}&status=waiting&page=1&jobsPerPage=10`);
    expect(queues.find(({ name }) => name === queue)?.jobs).toMatchObject([{ id: 'owed' }]);
  }
});

test.each([
  ['a text with NUL, over which it stumbles', 'GET', '/queues/api/queues?activeQueue=mistral&status=x%00"b', ''],
  ['a body that is no JSON', 'POST', '/queues/api/queues/mistral/add', '{"name"'],
  ['an address that is none', 'GET', '/queues/api/queues/mistral/%ff', ''],
])('%s is the fault of who asks, and told in our words', async (_name, method, path, body) => {
  dashboard = await createDashboardFixture();
  const answer = await ask(`${dashboard.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(answer.status).toBe(400);
  expect(answer.text).not.toMatch(/JSON at|Unexpected|Unterminated|    at /);
});

test('while Redis is down its pages say so promptly, and work again once it is back', async () => {
  dashboard = await createDashboardFixture();
  await readQueues();
  await dashboard.redis.stop();

  for (const path of ['/queues', '/queues/queue/openai', '/queues/api/queues', '/queues/api/queues/openai/pause']) {
    const startedAt = performance.now();
    const method = path.endsWith('/pause') ? 'PUT' : 'GET';
    const answer = await ask(`${dashboard.url}${path}`, { method, headers: path.includes('/api/') ? {} : asBrowser });
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('The queue (Redis) does not answer');
    expect(answer.headers['retry-after']).toBe('5');
    expect(performance.now() - startedAt).toBeLessThan(promptMs);
  }

  await dashboard.redis.start();
  await expect.poll(async () => (await readQueues()).status, { timeout: 5_000 }).toBe(200);
});

test('a dashboard that started before Redis shows every queue once Redis is there', async () => {
  dashboard = await createDashboardFixture({ redisRunning: false });
  expect((await readQueues()).status).toBe(503);

  await dashboard.redis.start();
  await expect.poll(async () => (await readQueues()).queues.length, { timeout: 5_000 }).toBe(queueNames.length);
});
