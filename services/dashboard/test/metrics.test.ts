import { afterEach, expect, test } from 'vitest';
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
