import { afterEach, describe, expect, test } from 'vitest';
import { renderOverview } from '../src/overview/overview-page.ts';
import { ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture } from './dashboard-fixture.ts';

/** A little more than what the connection is given, for busy machines. */
const promptMs = 3_000;

describe('the page', () => {
  let dashboard: DashboardFixture;
  afterEach(() => dashboard.close());

  test('shows who is configured, with which limits, and what waits', async () => {
    dashboard = await createDashboardFixture();
    await dashboard.announceWorker({ configured: ['openai', 'ollama'] });
    await dashboard.addJob();

    const { status, text } = await ask(dashboard.url);
    expect(status).toBe(200);
    const rows = [...text.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) => toText(row));
    expect(rows.find((row) => row.startsWith('OpenAI '))).toMatch(/configured .* 8 60 200,000/);
    expect(rows.find((row) => row.startsWith('Mistral '))).toMatch(/not configured needs MISTRAL_API_KEY .* 4 60/);
    expect(rows.find((row) => row.startsWith('Ollama '))).toMatch(/configured .* 1 no limit no limit/);
    expect(rows).toContain('mistral 1 0 0 0');
    expect(rows).toContain('compare 0 0 0 0');
    expect(text).not.toContain('DEMO');
  });

  test('says plainly that answers are made up', async () => {
    dashboard = await createDashboardFixture();
    await dashboard.announceWorker({ demo: true });
    expect(toText((await ask(dashboard.url)).text)).toMatch(/Overview DEMO .* made-up answers/);
  });

  test('says that nobody works', async () => {
    dashboard = await createDashboardFixture();
    expect((await ask(dashboard.url)).text).toContain('No worker is running');
  });

  test('with Redis down answers 503 promptly, and shows the usage all the same', async () => {
    dashboard = await createDashboardFixture({ redisRunning: false });
    const startedAt = performance.now();
    const { status, text } = await ask(dashboard.url);
    expect(performance.now() - startedAt).toBeLessThan(promptMs);
    expect(status).toBe(503);
    expect(text).toContain('The queue (Redis) does not answer');
    expect(text).toContain('Last 24 hours');
  });

  test('with the database down shows the rest', async () => {
    dashboard = await createDashboardFixture({ databaseUrl: 'postgresql://someone:pass-not-to-tell@127.0.0.1:1/aimm' });
    const { status, text } = await ask(dashboard.url);
    expect(status).toBe(200);
    expect(text).toContain('Usage cannot be read');
    expect(text).toContain('OpenAI');
    expect(text).not.toContain('pass-not-to-tell');
  });
});

test('names that come from configuration and workers never become markup', () => {
  const evil = '<img src=x onerror="alert(1)">';
  const { markup } = renderOverview({
    at: 0,
    providers: {
      value: [
        {
          id: evil,
          kind: 'openai',
          name: evil,
          configured: false,
          demo: false,
          concurrency: 1,
          defaultModel: evil,
          apiKeyVariables: [evil],
        },
      ],
    },
    queues: { value: [{ name: evil, waiting: 0, active: 0, delayed: 0, failed: 0 }] },
    workers: { value: [{ id: evil, host: evil, pid: 1, startedAt: 0, seenAt: 0, providers: [] }] },
    usage: { value: { from: 0, to: 1, totals, groups: [{ key: evil, ...totals }] } },
  });
  expect(markup).not.toContain('<img');
  expect(markup.split('&#60;img').length - 1).toBe(7);
});

test('the share of errors stands beside the calls that make it', () => {
  const faulty = { ...totals, calls: 106, failed: 12, partial: 9, outcomeUnknown: 3, errorRate: 24 / 106 };
  const textOf = (given: typeof totals) => toText(renderUsage(given));
  expect(textOf(faulty)).toContain('Errors 22.6% 12 failed, 9 broken off, 3 of unknown outcome');
  expect(textOf({ ...totals, partial: 1, errorRate: 1 })).toContain('Errors 100% 1 broken off Latency');
  expect(textOf(totals)).toContain('Errors 0% Latency');
});

test('what nobody knows the price of is not said to have cost nothing', () => {
  const unpriced = {
    ...totals,
    succeeded: 0,
    partial: 1,
    costNanoUsd: 0,
    unpricedCalls: 1,
    cached: 1,
    unpricedCached: 1,
  };
  const text = toText(renderUsage(unpriced));
  expect(text).toContain('Cost unknown 1 call of unknown price');
  expect(text).toContain('From the cache 1 saved unknown');
  expect(text).toMatch(/lab\/m1 1 1 1 unknown/);
});

function renderUsage(given: typeof totals): string {
  const { markup } = renderOverview({
    at: 0,
    providers: { value: [] },
    queues: { value: [] },
    workers: { value: [] },
    usage: { value: { from: 0, to: 1, totals: given, groups: [{ key: 'lab/m1', ...given }] } },
  });
  return markup;
}

const totals = {
  requests: 1,
  calls: 1,
  succeeded: 1,
  failed: 0,
  cancelled: 0,
  partial: 0,
  outcomeUnknown: 0,
  inputTokens: 1,
  outputTokens: 1,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNanoUsd: 1,
  demoNanoUsd: 0,
  unpricedCalls: 0,
  cached: 0,
  errorRate: 0,
  errorsByCode: {},
  savedInputTokens: 0,
  savedOutputTokens: 0,
  savedNanoUsd: 0,
  unpricedCached: 0,
};

function toText(markup: string): string {
  return markup
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
