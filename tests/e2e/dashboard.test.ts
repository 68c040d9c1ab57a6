import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GeneratePayload } from '@aimm/contracts';
import { createDatabase } from '@aimm/database';
import { connectWorker, createPresence, createProducer, queueOf, systemQueues } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { type OwnProcess, startProcess } from '../support/processes.ts';
import { createRedisServer, type RedisServer } from '../support/redis-server.ts';

const token = 'a-token-for-this-test';
const providers = ['openai', 'anthropic', 'google', 'mistral', 'ollama'];
const queueNames = [
  ...providers.flatMap((id) => [queueOf('generate', id), queueOf('check-health', id)]),
  ...systemQueues,
];

let dir: string;
let redis: RedisServer;
let browser: Browser;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'aimm-dashboard-'));
  redis = await createRedisServer(dir);
  await fillQueueAndLedger();
  browser = await launchBrowser();
});

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
  await browser?.close();
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('on loopback', () => {
  let url: string;
  beforeAll(async () => {
    url = await startDashboard({});
  });

  test('the overview shows providers, queues, workers and what was used', async () => {
    const { page, problems } = await openPage(url);

    expect(await page.title()).toBe('AI Model Manager');
    await expect(rowOf(page, 'OpenAI openai')).resolves.toContain('configured');
    await expect(rowOf(page, 'Mistral mistral')).resolves.toContain('needs MISTRAL_API_KEY');
    await expect(rowOf(page, 'mistral')).resolves.toBe('mistral 1 0 0 0');
    await expect(rowOf(page, 'openai/gpt-5-mini')).resolves.toContain('1,200 300 $0.0042');
    await expect(rowOf(page, 'test-host')).resolves.toContain(providers.join(', '));
    for (const name of queueNames) await page.getByRole('link', { name, exact: true }).waitFor();
    expect(problems).toEqual([]);
  });

  test('Bull Board shows every queue, and in a queue the job that waits there', async () => {
    const { page, problems } = await openPage(`${url}/queues`);

    await page.getByText('AI Model Manager').first().waitFor();
    for (const name of queueNames) await page.getByText(name, { exact: true }).first().waitFor();
    await page.goto(`${url}/queues/queue/mistral?status=prioritized`);
    await page.getByText('gen_00000000-0000-7000-8000-000000000001').first().waitFor();
    await page.getByText('mistral-medium-3-5').first().waitFor();
    expect(problems).toEqual([]);
  });

  test('the overview leads to a queue’s jobs', async () => {
    const { page } = await openPage(url);

    await page.getByRole('link', { name: 'mistral', exact: true }).click();
    await page.getByText('gen_00000000-0000-7000-8000-000000000001').first().waitFor();
    expect(new URL(page.url()).pathname).toBe('/queues/queue/mistral');
  });

  test('Bull Board’s page may change a queue', async () => {
    const { page } = await openPage(`${url}/queues/queue/google`);

    await page.getByText('google', { exact: true }).first().waitFor();
    const pause = `fetch('api/queues/google/pause', { method: 'PUT' }).then((response) => response.status)`;
    expect(await page.evaluate(pause)).toBe(200);
  });
});

describe('with a token', () => {
  let url: string;
  beforeAll(async () => {
    url = await startDashboard({ AIMM_AUTH_TOKEN: token });
  });

  test('a person signs in, lands where they wanted to go, and signs out', async () => {
    const { page, problems } = await openPage(`${url}/queues`);

    await page.getByLabel('Token').fill('not-the-right-token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This is not the token').waitFor();
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('mistral-checks', { exact: true }).first().waitFor();
    expect(new URL(page.url()).pathname).toBe('/queues');
    expect(problems.filter((problem) => !problem.includes('401'))).toEqual([]);

    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(cookie?.value).not.toContain(token);

    await page.goto(url);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.goto(url);
    await page.getByLabel('Token').waitFor();
  });
});

/** The cells of the table row that begins with this text. */
async function rowOf(page: Page, start: string): Promise<string> {
  const rows = await page.getByRole('row').allInnerTexts();
  const flat = rows.map((text) => text.replaceAll(/\s+/g, ' ').trim());
  return flat.find((text) => text.startsWith(`${start} `)) ?? flat.join('\n');
}

/** `problems`: what the browser complains about, and every request that leaves for elsewhere. */
async function openPage(url: string): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext();
  closers.push(() => context.close());
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    // Bull Board's page asks for a web font; our policy keeps that request from leaving, and the browser says so.
    if (message.type() === 'error' && !message.text().includes('fonts.googleapis.com')) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('requestfinished', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) problems.push(`went to ${request.url()}`);
  });
  await page.goto(url);
  return { page, problems };
}

async function startDashboard(env: Record<string, string>): Promise<string> {
  const dashboard = startProcess('services/dashboard/src/main.ts', {
    REDIS_URL: redis.url,
    DATABASE_URL: `file:${join(dir, 'aimm.db')}`,
    DASHBOARD_PORT: '0',
    ...env,
  });
  closers.push(() => dashboard.end());
  return readyUrl(dashboard);
}

async function readyUrl(own: OwnProcess): Promise<string> {
  const ready = new Promise<string>((resolve) => {
    own.child.on('message', (message: { type: string; url?: string }) => {
      if (message.type === 'ready') resolve(message.url ?? '');
    });
  });
  const ended = own.exited.then((code) => {
    throw new Error(`the dashboard left with code ${code}:\n${own.log()}`);
  });
  return Promise.race([ready, ended]);
}

/** One job that waits, one worker that reports, and a call in the ledger. */
async function fillQueueAndLedger(): Promise<void> {
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const connection = connectWorker(redis.url, logger);
  closers.push(async () => connection.disconnect());
  const producer = createProducer({ redis: connection, logger });
  closers.push(() => producer.close());
  await producer.addGeneration(generation());

  const presence = createPresence(connection, () => ({
    id: 'worker-1',
    host: 'test-host',
    pid: 4242,
    startedAt: Date.now() - 60_000,
    providers: providers.map((id) => ({ id, configured: id !== 'mistral', demo: false })),
  }));
  closers.push(() => presence.close());
  await presence.announce();

  const database = await createDatabase({ url: `file:${join(dir, 'aimm.db')}` });
  const startedAt = Date.now() - 3_600_000;
  await database.ledger.record([
    createLedgerRow({
      startedAt,
      finishedAt: startedAt + 1_500,
      providerMs: 1_500,
      inputTokens: 1_200,
      outputTokens: 300,
      costNanoUsd: 4_200_000,
    }),
  ]);
  await database.close();
}

function generation(): GeneratePayload {
  return {
    requestId: 'gen_00000000-0000-7000-8000-000000000001',
    client: 'tests',
    tags: [],
    lane: 'interactive',
    enqueuedAt: Date.now(),
    deadlineAt: Date.now() + 3_600_000,
    provider: 'mistral',
    request: {
      model: 'mistral-medium-3-5',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Name three rivers' }] }],
      settings: {},
    },
    attempts: 1,
    timeoutMs: 60_000,
    stream: false,
    onUnknownOutcome: 'fail',
    warnings: [],
  };
}
