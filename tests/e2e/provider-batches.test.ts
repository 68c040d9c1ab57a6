import { loadCatalog } from '@aimm/catalog';
import { type BatchServer, startBatchServer, wholeWires } from '@aimm/providers/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import type { McpClient } from '../support/mcp-client.ts';

const ways = ['openai/gpt-6.1-terra@batch', 'anthropic/claude-haiku-4-5@batch', 'mistral/mistral-medium-3-5'];
const counts = { input: 1_000, output: 100, cacheRead: 0, reasoning: 0 };
const soon = { timeout: 20_000, interval: 100 };

let anthropic: BatchServer;
let deployment: Deployment;
let client: McpClient;
beforeAll(async () => {
  anthropic = await startBatchServer('anthropic');
  deployment = await startDeployment({
    environment: { ANTHROPIC_BASE_URL: anthropic.url, AIMM_BATCH_POLL_SECONDS: '1' },
  });
  client = await deployment.connect({ transport: 'stdio', era: '2025-11-25' });
});
afterAll(async () => {
  await deployment?.end();
  await anthropic?.close();
});
beforeEach(() => {
  anthropic.batches = [];
  anthropic.fateOf = (_id, body) => ({
    answer: wholeWires.anthropic.text(`heard ${/<<.*?>>/.exec(JSON.stringify(body))?.[0]}`, counts),
  });
});

const start = (models: string[]) =>
  client.call('start_batch', { prompts: ['<<one>>', '<<two>>'], models, tags: [models.join()] });
const look = async (id: string) => (await client.call('get_job', { job_id: id, limit: 100 })).structured;

test('a batch is asked of two vendors’ batch APIs and of a queue, with one form of results, at the price of each', async () => {
  const started = await start(ways);
  expect(started).toMatchObject({ isError: false });
  await expect.poll(() => anthropic.batches.length, soon).toBe(1);
  anthropic.end('ended');
  const { job_id: id } = started.structured;
  await expect.poll(async () => (await look(id)).status, soon).toBe('succeeded');

  const { generations: results, batch } = await look(id);
  const { columns } = batch;
  expect(results).toHaveLength(6);
  for (const result of results) {
    expect(result).toMatchObject({ status: 'succeeded', finish_reason: 'stop', text: expect.any(String) });
    expect(result.cost_usd).toBeGreaterThanOrEqual(0);
  }
  const heard = results.filter(({ column }: { column: number }) => column === 1);
  expect(heard.map(({ text }: { text: string }) => text)).toEqual(['heard <<one>>', 'heard <<two>>']);
  const { catalog } = loadCatalog({ env: {} });
  const usage = { inputTokens: counts.input, outputTokens: counts.output };
  const { costNanoUsd } = catalog.priceCall({
    provider: 'anthropic',
    model: 'claude-haiku-4-5',
    usage,
    at: Date.now(),
  });
  // Half of what single calls cost, in the batch as in the ledger.
  expect(columns[1].cost_usd).toBeCloseTo((costNanoUsd ?? 0) / 1e9, 9);
  const report = await client.call('get_usage_stats', { group_by: 'model', tag: ways.join() });
  const rows: { key: string; calls: number; cost_usd: number }[] = report.structured.groups;
  expect(rows.find(({ key }) => key === 'anthropic/claude-haiku-4-5')).toMatchObject({
    calls: 2,
    cost_usd: columns[1].cost_usd,
  });
  expect(rows.reduce((sum, { calls }) => sum + calls, 0)).toBe(6);
});

test('a cancel reaches the vendor, and what it had done is kept', async () => {
  anthropic.fateOf = (id, body) =>
    id.endsWith('i0') ? { answer: wholeWires.anthropic.text(JSON.stringify(body), counts) } : 'cancelled';
  const started = await start(ways.slice(1, 2));
  await expect.poll(() => anthropic.batches.length, soon).toBe(1);
  const { job_id: id } = started.structured;
  await client.call('cancel_job', { job_id: id });
  await expect.poll(() => anthropic.batches[0]?.state, soon).toBe('ending');
  anthropic.end('cancelled');
  await expect
    .poll(async () => (await look(id)).generations.map(({ status }: { status: string }) => status), soon)
    .toEqual(['succeeded', 'cancelled']);
  expect((await look(id)).status).toBe('cancelled');
});

test('a provider without a batch API is refused with the names of those that have one', async () => {
  const refused = await start(['ollama/llama3.2@batch']);
  expect(refused.isError).toBe(true);
  expect(refused.text).toMatch(/ollama has no batch API.*openai.*anthropic.*google.*mistral/s);
});
