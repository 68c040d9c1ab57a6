import { ModelManagerError } from '@aimm/contracts';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture } from './dashboard-fixture.ts';

let dashboard: DashboardFixture;
afterEach(() => dashboard.close());

/** The lines of our metrics. */
const scrape = async (headers: Record<string, string> = {}) => {
  const { status, text } = await ask(`${dashboard.url}/metrics`, { headers });
  expect(status).toBe(200);
  return text.split('\n').filter((line) => line.startsWith('aimm_'));
};

test('the first event of a provider or a queue is an increase: what was never counted stands at 0', async () => {
  dashboard = await createDashboardFixture();
  const lines = await scrape();
  expect(lines).toContain('aimm_repeated_calls_total{provider="openai"} 0');
  expect(lines).toContain('aimm_given_up_jobs_total{queue="openai"} 0');
  expect(lines).toContain('aimm_given_up_jobs_total{queue="persist-usage"} 0');
});

test('a model that somebody made up is no label of its own, and of several the longest shows', async () => {
  dashboard = await createDashboardFixture();
  const until = Date.now() + 600_000;
  const entry = { since: until - 900_000, round: 1, failures: 5, calls: 5, code: 'server_error' };
  const redis = dashboard.connect();
  await redis.hset('{aimm}:cooldowns', {
    'openai/made-up': JSON.stringify({ ...entry, until }),
    'openai/made-up-too': JSON.stringify({ ...entry, until: until - 300_000 }),
    'mistral/mistral-medium-3-5': JSON.stringify({ ...entry, until }),
    google: JSON.stringify({ ...entry, until: until - 700_000 }),
  });
  const lines = (await scrape()).filter((line) => line.startsWith('aimm_set_aside_seconds'));
  const shown = new Map(lines.map((line) => line.split(' ') as [string, string]));
  expect([...shown.keys()].toSorted()).toEqual([
    'aimm_set_aside_seconds{provider="google",model=""}',
    'aimm_set_aside_seconds{provider="mistral",model="mistral-medium-3-5"}',
    'aimm_set_aside_seconds{provider="openai",model="other"}',
  ]);
  expect(Number(shown.get('aimm_set_aside_seconds{provider="openai",model="other"}'))).toBeGreaterThan(500);
});

test('ages are by Redis’ clock, however wrong the machine’s own is', async () => {
  const { now } = Date;
  const machine = vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
  onTestFinished(() => machine.mockRestore());
  dashboard = await createDashboardFixture();
  await dashboard.connect().zadd('{aimm}:unsettled', now(), 'openai:gen_1');
  const age = async () => {
    const [line = ''] = (await scrape()).filter((one) => one.startsWith('aimm_unsettled_call_oldest_seconds'));
    return Number(line.split(' ').at(-1));
  };
  await expect.poll(age).toBeLessThan(60);
});

test('a scraper whose token was an admin’s goes on while the database is away, for twelve hours and for metrics only', async () => {
  let clock = Date.now();
  const caller = { client: 'scraper', admin: true };
  const away = new ModelManagerError('unavailable', 'Access tokens cannot be checked now.');
  const answers = { identify: (token: string) => Promise.resolve(token === 'aimm_scraper' ? caller : undefined) };
  dashboard = await createDashboardFixture({
    requireToken: true,
    now: () => clock,
    identify: (token) => answers.identify(token),
  });
  const open = async (path: string, token: string) =>
    (await ask(`${dashboard.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
  expect([await open('/metrics', 'aimm_scraper'), await open('/metrics', 'aimm_other')]).toEqual([200, 401]);

  answers.identify = () => Promise.reject(away);
  clock += 11 * 3_600_000;
  expect([await open('/metrics', 'aimm_scraper'), await open('/metrics', 'aimm_other')]).toEqual([200, 503]);
  expect(await open('/queues/api/queues', 'aimm_scraper')).toBe(503);
  clock += 2 * 3_600_000;
  expect(await open('/metrics', 'aimm_scraper')).toBe(503);

  answers.identify = () => Promise.resolve(caller);
  expect(await open('/metrics', 'aimm_scraper')).toBe(200);
  answers.identify = () => Promise.resolve(undefined);
  expect(await open('/metrics', 'aimm_scraper')).toBe(401);
  answers.identify = () => Promise.reject(away);
  expect(await open('/metrics', 'aimm_scraper')).toBe(503);
});
