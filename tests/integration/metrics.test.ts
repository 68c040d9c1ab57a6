import { expect, onTestFinished, test } from 'vitest';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { ready, startProcess } from '../support/processes.ts';
import { parseMetrics, type Samples } from '../support/prometheus.ts';
import { echo } from '../support/upstream.ts';

const token = 'a-token-for-the-metrics-test';

/** A dashboard process over the stack's Redis and database. */
async function startDashboard(stack: FaultStack) {
  const dashboard = startProcess('services/dashboard/src/main.ts', {
    ...stack.env,
    DASHBOARD_PORT: '0',
    AIMM_AUTH_TOKEN: token,
    LOG_LEVEL: 'debug',
  });
  onTestFinished(async () => void (await dashboard.end('SIGKILL')));
  const url = new Promise<string>((resolve) => {
    dashboard.child.on('message', (message: { type?: string; url?: string }) => {
      if (message.type === 'ready') resolve(message.url ?? '');
    });
  });
  await ready(dashboard);
  const address = `${await url}/metrics`;
  const scrape = async (): Promise<Samples> => {
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` } });
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    return parseMetrics(await response.text());
  };
  return { address, scrape };
}

/** Sums of the ledger by status. */
async function readLedger(stack: FaultStack) {
  const { ledger } = await stack.database();
  return (await ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals;
}

/** The latest answer counts: processes bring what they counted every two seconds. */
const patience = { timeout: 15_000, interval: 500 };

test('one scrape tells what all workers and fronts did, the killed one too, and agrees with the ledger', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((call, tools) => {
    const isFirst = upstream.calls.find(({ prompt }) => prompt === call.prompt) === call;
    if (call.prompt.includes('refused')) return tools.fail(401, { message: 'no' });
    if (call.prompt.includes('later') && isFirst) return tools.fail(429, { message: 'wait' }, { 'retry-after': '1' });
    if (call.prompt.includes('broken') && isFirst) return tools.fail(500, { message: 'broken' });
    if (call.prompt.includes('killed') && isFirst) return tools.held;
    return echo(call, tools);
  });
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const dashboard = await startDashboard(stack);
  const known = { model: 'mistral/mistral-medium-3-5' };
  const refused = await stack.generate(front, 'refused', known);
  await expect(refused.result).rejects.toMatchObject({ code: 'authentication' });
  for (const name of ['plain', 'another', 'broken', 'later']) await (await stack.generate(front, name, known)).result;
  await (
    await stack.generate(front, 'a model that no catalog knows', { model: 'mistral/brand-new' })
  ).result;
  await expect.poll(async () => sumOf(await dashboard.scrape(), 'aimm_calls_total'), patience).toBe(8);
  // Rows are counted when they are written: what a worker counts just before it is killed is lost.
  const written = async () => sumOf(await dashboard.scrape(), 'aimm_ledger_rows_total', { result: 'written' });
  await expect.poll(written, patience).toBe(8);

  const killed = await stack.generate(front, 'killed', known);
  await upstream.arrived(9);
  await expect.poll(async () => valueOf(await dashboard.scrape(), 'aimm_unsettled_jobs'), patience).toBe(1);
  const during = await dashboard.scrape();
  expect(valueOf(during, 'aimm_queue_jobs', { queue: 'mistral', state: 'active' })).toBe(1);
  expect(valueOf(during, 'aimm_unsettled_call_oldest_seconds')).toBeGreaterThan(0);
  await stack.startWorker();
  await first.end('SIGKILL');
  await killed.result;
  await expectInvariants(stack);

  const totals = await readLedger(stack);
  await expect.poll(async () => sumOf(await dashboard.scrape(), 'aimm_calls_total'), patience).toBe(totals.calls);
  await expect.poll(written, patience).toBe(totals.calls);
  const samples = await dashboard.scrape();
  const callsBy = (status: string) => sumOf(samples, 'aimm_calls_total', { status });
  expect(totals).toMatchObject({
    calls: 10,
    succeeded: callsBy('succeeded'),
    failed: callsBy('failed'),
    outcomeUnknown: callsBy('outcome_unknown'),
    inputTokens: sumOf(samples, 'aimm_tokens_total', { kind: 'input' }),
    outputTokens: sumOf(samples, 'aimm_tokens_total', { kind: 'output' }),
  });
  expect(sumOf(samples, 'aimm_cost_usd_total') * 1e9).toBeCloseTo(totals.costNanoUsd, 3);
  expect(totals.costNanoUsd).toBeGreaterThan(0);
  const models = samples.filter(({ name }) => name === 'aimm_calls_total').map(({ labels }) => labels['model']);
  expect(new Set(models)).toEqual(new Set(['mistral-medium-3-5', 'other']));
  expect(sumOf(samples, 'aimm_call_duration_seconds_count')).toBe(totals.calls - totals.outcomeUnknown);
  expect(sumOf(samples, 'aimm_queue_wait_seconds_count')).toBe(6);
  expect(sumOf(samples, 'aimm_ledger_rows_total', { result: 'written' })).toBe(totals.calls);
  const warnings = ['aimm_repeated_calls_total', 'aimm_recovered_jobs_total', 'aimm_stalled_jobs_total'];
  expect(warnings.map((name) => sumOf(samples, name))).toEqual([1, 1, 1]);
  expect(valueOf(samples, 'aimm_provider_pauses_total', { provider: 'mistral', code: 'rate_limited' })).toBe(1);
  expect(valueOf(samples, 'aimm_call_errors_total', { provider: 'mistral', code: 'authentication' })).toBe(1);
  expect(valueOf(samples, 'aimm_unsettled_jobs')).toBe(0);
  expect(valueOf(samples, 'aimm_redis_memory_bytes')).toBeGreaterThan(1e6);
  expect(valueOf(samples, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
  expect(samples.filter(({ name }) => name === 'aimm_worker_heap_used_bytes').length).toBeGreaterThan(0);
});

test('an end that a front finds because its reply was lost is counted', async () => {
  const stack = await createFaultStack();
  const { scrape } = await startDashboard(stack);
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await tools.held;
    return echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'its reply is lost');
  await upstream.arrived(1);
  expect(sumOf(await scrape(), 'aimm_swept_replies_total')).toBe(0);
  const redis = stack.redis.client();
  // What a worker writes to a stream that is not there is lost.
  await redis.del(...(await redis.keys('{aimm}:replies:*')));
  upstream.release();
  expect((await asked.result).text).toBe(`echo: ${asked.prompt}`);
  await expect.poll(async () => sumOf(await scrape(), 'aimm_swept_replies_total'), patience).toBe(1);
});

test('rows that wait for the database show as a backlog with its age, and a Redis that is away as just that', async () => {
  const stack = await createFaultStack();
  const { scrape, address } = await startDashboard(stack);
  const { default: Sqlite } = await import('better-sqlite3');
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await expectInvariants(stack);
  const lock = new Sqlite(stack.databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  await stack.answer(front, 'during');
  await expect.poll(async () => valueOf(await scrape(), 'aimm_persist_backlog_jobs'), patience).toBe(1);
  const samples = await scrape();
  expect(valueOf(samples, 'aimm_persist_backlog_oldest_seconds')).toBeGreaterThan(0);
  lock.exec('ROLLBACK');
  await expect
    .poll(async () => sumOf(await scrape(), 'aimm_ledger_rows_total', { result: 'queued' }), patience)
    .toBe(1);
  await expectInvariants(stack);
  await expect.poll(async () => valueOf(await scrape(), 'aimm_persist_backlog_jobs'), patience).toBe(0);

  await stack.redis.kill();
  await expect.poll(async () => valueOf(await scrape(), 'aimm_redis_up'), patience).toBe(0);
  const away = await scrape();
  expect(away.filter(({ name }) => name === 'aimm_calls_total' || name === 'aimm_workers')).toEqual([]);
  expect(valueOf(away, 'aimm_database_up')).toBe(1);
  expect((await fetch(address)).status).toBe(401);
});

test('a model that is set aside shows for how long, and no more once it is well again', async () => {
  const stack = await createFaultStack();
  const { scrape } = await startDashboard(stack);
  const { upstream } = stack;
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const setAside = async () => find(await scrape(), 'aimm_set_aside_seconds', {});
  expect(await setAside()).toEqual([]);
  upstream.behave((_call, { fail }) => fail(500, { message: 'broken' }));
  const known = { model: 'mistral/mistral-medium-3-5' };
  const failing = await Promise.all([1, 2].map((number) => stack.generate(front, `fails ${number}`, known)));
  await expect
    .poll(async () => (await setAside()).map(({ labels }) => labels), patience)
    .toEqual([{ provider: 'mistral', model: 'mistral-medium-3-5' }]);
  upstream.behave(echo);
  await Promise.all(failing.map(({ result }) => result.catch(() => undefined)));
  await (
    await stack.generate(front, 'finds it well', known)
  ).result;
  await expect.poll(setAside, patience).toEqual([]);
  await expectInvariants(stack);
});

function sumOf(samples: Samples, name: string, labels: Record<string, string> = {}): number {
  return find(samples, name, labels).reduce((sum, { value }) => sum + value, 0);
}

function valueOf(samples: Samples, name: string, labels: Record<string, string> = {}): number | undefined {
  return find(samples, name, labels)[0]?.value;
}

function find(samples: Samples, wanted: string, wantedLabels: Record<string, string>): Samples {
  return samples.filter(
    ({ name, labels }) =>
      name === wanted && Object.entries(wantedLabels).every(([label, value]) => labels[label] === value),
  );
}
