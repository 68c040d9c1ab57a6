import { ModelManagerError } from '@aimm/contracts';
import { describe, expect, it } from 'vitest';
import { formatBatch, toBatchOutput } from '../src/format/batch.ts';
import { formatUsage, toUsageOutput } from '../src/format/usage.ts';
import { createReadyManager } from './support/fake-manager.ts';
import { batch, model, totals } from './support/fixtures.ts';
import { callTool, caller, connect, eras } from './support/connect.ts';

describe.each(eras)('tools that only read, in version %s', (era) => {
  it('list_models gives models with prices and availability, and providers without secrets', async () => {
    const manager = createReadyManager();
    const query = { provider: 'openai', capability: 'tools', search: 'mini', refresh: true };
    const { text, structured } = await callTool(await connect(manager, { era }), 'list_models', query);
    expect(manager.calls[0]?.args).toEqual([query]);
    expect(text[0]).toBe(
      '1 model.\nopenai/gpt-5-mini · 400,000 context · $0.25 in, $2 out per million · text, tools, images',
    );
    expect(structured).toMatchObject({
      models: [
        {
          model: 'openai/gpt-5-mini',
          available: true,
          demo: false,
          prices: { input_per_million_usd: 0.25, output_per_million_usd: 2 },
          unsupported_settings: ['top_p'],
        },
      ],
      providers: [{ provider: 'openai', base_url: 'https://api.example.test/v1' }],
      problems: [],
    });
    expect(JSON.stringify({ text, structured })).not.toContain('planted-secret');
  });

  it('get_model_info describes one model with its warnings', async () => {
    const { text, structured } = await callTool(await connect(createReadyManager(), { era }), 'get_model_info', {
      model: 'gpt-5-mini',
    });
    expect(text[0]).toContain('Does not take: top_p');
    expect(text[0]).toContain('Warning: Its price may be out of date.');
    expect(structured).toMatchObject({ model: 'openai/gpt-5-mini', warnings: ['Its price may be out of date.'] });
  });

  it('check_health tells what is wrong and how to mend it', async () => {
    const { text, structured } = await callTool(await connect(createReadyManager(), { era }), 'check_health', {});
    expect(text[0]).toMatchInlineSnapshot(`
      "Not healthy:
      - openai: reachable, key not valid, 90 ms. The key is not valid. Set OPENAI_API_KEY.
      - queue: reachable, 1 worker
        - openai: 3 waiting, 1 running, 0 delayed, paused for 12 s
      - database (sqlite): reachable"
    `);
    expect(structured).toMatchObject({
      healthy: false,
      providers: [{ key_valid: false, hint: 'Set OPENAI_API_KEY.' }],
      queue: { queues: [{ name: 'openai', waiting: 3, paused_for_ms: 12_000 }] },
    });
  });
});

it('list_models names what is not configured and what could not be asked', async () => {
  const manager = createReadyManager({
    listModels: async () => ({
      models: Array.from({ length: 250 }, (_, index) => ({ ...model, id: `m${index}`, available: false })),
      providers: [
        {
          id: 'mistral',
          kind: 'mistral',
          name: 'Mistral',
          configured: false,
          demo: false,
          concurrency: 4,
          apiKeyVariables: ['MISTRAL_API_KEY'],
        },
      ],
      problems: [{ provider: 'openai', error: { code: 'network', message: 'No answer.', retryable: true } }],
    }),
  });
  const { text, structured } = await callTool(await connect(manager), 'list_models', {});
  expect(text[0]).toContain('openai/m0 · not available');
  expect(text[1]).toBe(
    '… and 50 more: narrow the list with provider, capability or search.\nmistral is not configured: set MISTRAL_API_KEY.\nopenai could not be asked: No answer.',
  );
  expect(structured?.['models']).toHaveLength(250);
});

describe('get_usage_stats', () => {
  const usageOf = async (args: Record<string, unknown>) => {
    const manager = createReadyManager();
    const outcome = await callTool(await connect(manager), 'get_usage_stats', args);
    const [asker, query] = (manager.calls[0]?.args ?? []) as [unknown, { from: number; to: number }];
    expect(asker).toEqual(caller);
    return { ...outcome, query };
  };

  it('covers the last day unless told otherwise', async () => {
    const { query } = await usageOf({});
    expect(query.to - query.from).toBe(86_400_000);
    expect(Math.abs(Date.now() - query.to)).toBeLessThan(5000);
  });

  it('takes dates as UTC, and passes filters on', async () => {
    const filters = { provider: 'openai', model: 'gpt-5-mini', client: 'me', tag: 'docs' };
    const { query } = await usageOf({ from: '2026-01-01', to: '2026-01-02T01:00:00', group_by: 'day', ...filters });
    expect(query).toEqual({
      from: Date.UTC(2026, 0, 1),
      to: Date.UTC(2026, 0, 2, 1),
      groupBy: 'day',
      timeZone: 'UTC',
      ...filters,
    });
  });

  it('takes dates, today and days as those of time_zone', async () => {
    const zone = { time_zone: 'Asia/Kathmandu', group_by: 'day' };
    const { query, structured } = await usageOf({ from: '2026-01-01', to: '2026-01-02T00:00:00Z', ...zone });
    expect(query).toMatchObject({ from: Date.UTC(2025, 11, 31, 18, 15), to: Date.UTC(2026, 0, 2), groupBy: 'day' });
    expect(query).toMatchObject({ timeZone: 'Asia/Kathmandu' });
    expect(structured).toMatchObject({ time_zone: 'Asia/Kathmandu' });
    const { query: today } = await usageOf({ period: 'today', ...zone });
    expect((today.from + 5.75 * 3_600_000) % 86_400_000).toBe(0);
    expect(today.to - today.from).toBeLessThan(86_400_000);
  });

  it('gives sums in dollars, and says which calls have no price', async () => {
    const { text, structured } = await usageOf({ period: '7d', group_by: 'model' });
    expect(text[0]).toContain('- by model: 2 requests · 3 calls · 1 failed · 24 in, 6 out tokens · $0.000018');
    expect(text[0]).toContain('1 call of unknown price');
    expect(structured).toMatchObject({
      totals: { cost_usd: 0.000018, unpriced_calls: 1, errors_by_code: { timeout: 1 }, queue_p95_ms: 40, saved_usd: 0 },
      groups: [{ key: 'by model' }],
    });
  });
});

it('what nobody knows the price of is not said to have cost nothing', () => {
  const unpriced = { ...totals, costNanoUsd: 0, unpricedCalls: 3, cached: 1, unpricedCached: 1 };
  const report = { from: 0, to: 1, totals: unpriced, groups: [] };
  expect(toUsageOutput(report).totals).toMatchObject({ cost_usd: null, saved_usd: null, unpriced_calls: 3 });
  expect(formatUsage(report)).toContain('1 from the cache (price unknown)');
  expect(formatUsage(report)).toContain(' · price unknown · 3 calls of unknown price');

  const columns = batch.columns.map((column) => ({ ...column, costNanoUsd: 0, unpriced: 1 }));
  expect(formatBatch({ ...batch, columns }).join()).toContain('1 succeeded, 0 % passed, cost unknown');
});

it('a batch of demo answers is told as one', () => {
  const demo = { ...batch, costNanoUsd: 0, demo: true };
  expect(toBatchOutput(demo)).toMatchObject({ demo: true, spent_usd: 0 });
  expect(toBatchOutput(batch)).not.toHaveProperty('demo');
  expect(formatBatch(demo)[0]).toContain('$0.00 spent of an estimated $0.0020 (demo answers cost nothing)');
});

describe.each(eras)('resources in version %s', (era) => {
  const read = async (uri: string, manager = createReadyManager()) => {
    const client = await connect(manager, { era });
    const { contents } = await client.readResource({ uri });
    const [content] = contents;
    return content !== undefined && 'text' in content ? content.text : '';
  };

  it('stats://usage covers a day and a month, by provider and by model', async () => {
    const usage: unknown = JSON.parse(await read('stats://usage'));
    const part = { by_provider: [{ key: 'by provider' }], by_model: [{ key: 'by model' }], totals: { calls: 3 } };
    expect(usage).toMatchObject({ last_24h: part, last_30d: part });
  });

  it('config://providers shows endpoints and limits, and no secret', async () => {
    const text = await read('config://providers');
    expect(JSON.parse(text)).toMatchObject({
      providers: [{ provider: 'openai', base_url: 'https://api.example.test/v1', requests_per_minute: 500 }],
    });
    expect(text).not.toContain('planted-secret');
  });

  it('say what to do when they cannot be read', async () => {
    const down = new ModelManagerError('unavailable', 'The queue does not answer.', { hint: 'Start Redis.' });
    const manager = createReadyManager({ listProviders: () => Promise.reject(down) });
    await expect(read('config://providers', manager)).rejects.toThrow('Start Redis.');
  });

  it('an unknown one is a protocol error', async () => {
    await expect(read('stats://nothing')).rejects.toMatchObject({ code: -32_602 });
  });
});
