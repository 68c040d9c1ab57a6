import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics, createTally, metricDefinitions } from '../src/index.ts';

const labels = { provider: 'openai', model: 'gpt-5-mini' };

async function show(fill: (metrics: Awaited<ReturnType<typeof createMetrics>>) => void) {
  const metrics = await createMetrics();
  fill(metrics);
  const text = await metrics.text();
  metrics.close();
  return text.split('\n').filter((line) => line.startsWith('aimm_'));
}

test('what is counted is shown in the unit of its name', async () => {
  const tally = createTally();
  tally.count('calls', { ...labels, status: 'succeeded' });
  tally.count('calls', { ...labels, status: 'succeeded' });
  tally.count('cost', labels, 1_500_000);
  tally.count('tokens', { ...labels, kind: 'input' }, 0);

  const lines = await show((metrics) => metrics.load(tally.take()));
  expect(lines).toContain('aimm_calls_total{provider="openai",model="gpt-5-mini",status="succeeded"} 2');
  expect(lines).toContain('aimm_cost_usd_total{provider="openai",model="gpt-5-mini"} 0.0015');
  expect(lines.filter((line) => line.startsWith('aimm_tokens_total'))).toEqual([]);
});

test('a duration counts in every bucket that holds it, and in sum and count', async () => {
  const tally = createTally();
  for (const ms of [90, 300, 300, 900_000])
    tally.observe('callSeconds', { provider: 'openai', status: 'succeeded' }, ms);

  const lines = await show((metrics) => metrics.load(tally.take()));
  const own = Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, le = ''] = /^aimm_call_duration_seconds_(\w+)\{.*?(?:le="(.*?)")?\}/.exec(line) ?? [];
      return name === undefined ? [] : [[`${name} ${le}`.trim(), Number(line.split(' ').at(-1))]];
    }),
  );
  expect(own).toMatchObject({ 'bucket 0.1': 1, 'bucket 0.25': 1, 'bucket 0.5': 3, 'bucket 640': 3, 'bucket +Inf': 4 });
  expect(own).toMatchObject({ count: 4, sum: 900.69 });
});

test('a tally that was taken begins at nothing, and sums of two tallies add up field by field', () => {
  const tally = createTally();
  tally.count('lostRequests', {});
  const [[field, count] = []] = tally.take();
  expect(count).toBe(1);
  expect(tally.take().size).toBe(0);
  tally.count('lostRequests', {}, 3);
  expect([...tally.take()]).toEqual([[field, 3]]);
});

test('what could not be read is absent rather than 0, and what an older or newer release counted does no harm', async () => {
  expect(await show((metrics) => metrics.set('redisUp', {}, 0))).toEqual(['aimm_redis_up 0']);

  const others = new Map([
    ['["aimm_from_tomorrow_total","x"]', 4],
    ['no field of ours', 1],
    ['["aimm_first_token_seconds","openai","0.3"]', 2],
  ]);
  const lines = await show((metrics) => metrics.load(others));
  expect(lines.join('\n')).not.toContain('tomorrow');
  expect(lines).toContain('aimm_first_token_seconds_bucket{provider="openai",le="0.5"} 2');
  expect(lines).toContain('aimm_lost_requests_total 0');
});

test('what was never counted shows 0 where all its labels are known, so that the first of its kind is an increase', async () => {
  const tally = createTally();
  tally.count('repeatedCalls', { provider: 'openai' });
  const lines = await show((metrics) =>
    metrics.load(tally.take(), { provider: ['openai', 'mistral'], queue: ['openai'] }),
  );
  expect(lines).toContain('aimm_repeated_calls_total{provider="openai"} 1');
  expect(lines).toContain('aimm_repeated_calls_total{provider="mistral"} 0');
  expect(lines).toContain('aimm_given_up_jobs_total{queue="openai"} 0');
  expect(lines).toContain('aimm_reconciler_findings_total{kind="vanished"} 0');
  expect(lines).toContain('aimm_ledger_rows_total{result="spooled"} 0');
  expect(lines.filter((line) => /aimm_(calls|tokens|call_errors)_total/.test(line))).toEqual([]);
});

test('docs/metrics.md explains every metric there is, and no other', async () => {
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const explained = [...page.matchAll(/^\| `(aimm_\w+)`/gm)].map(([, name = '']) => name);
  expect(explained.toSorted()).toEqual(metricDefinitions.map(({ name }) => name).toSorted());
  for (const definition of metricDefinitions) {
    const { type, name, labels: names } = definition;
    expect(name).toMatch(type === 'counter' ? /^aimm_[a-z_]+_total$/ : /^aimm_[a-z_]+(?<!_total)$/);
    const [line = ''] = page.split('\n').filter((row) => row.startsWith(`| \`${name}\``));
    const fixed = type === 'counter' ? Object.values(definition.values).flat() : [];
    const missing = [...names, ...fixed].filter((label) => !line.includes(`\`${label}\``));
    expect(missing.map((label) => `${name}: ${label}`)).toEqual([]);
  }
});

test('alert rules and queries in docs/metrics.md name metrics and labels that there are', async () => {
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const known = metricDefinitions.flatMap(({ type, name }) =>
    type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  const used = new Set(page.match(/aimm_[a-z_]+/g));
  expect([...used].filter((name) => !known.includes(name))).toEqual([]);
});

test('the alert rules of docs/metrics.md are read as they are meant', async () => {
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block = '']) => parse(block) as unknown);
  expect(blocks).toEqual([
    { scrape_configs: [expect.objectContaining({ job_name: 'aimm' })] },
    { groups: [{ name: 'aimm', rules: expect.anything() }] },
  ]);
  const { rules } = (blocks[1] as { groups: [{ rules: unknown[] }] }).groups[0];
  expect(rules.length).toBeGreaterThan(10);
  // A dashboard that does not answer, or does not let its scraper in, has no metrics that could say so.
  expect(rules).toContainEqual(expect.objectContaining({ expr: expect.stringContaining('or up{job="aimm"} == 0') }));
  for (const rule of rules) {
    expect(rule).toMatchObject({ alert: expect.stringMatching(/^Aimm\w+$/), expr: expect.any(String) });
    // A comma in a text without quotes would make two annotations of it, the second with a name that Prometheus 2 refuses.
    expect(rule).toHaveProperty('annotations', { summary: expect.stringMatching(/[.?]$/) });
  }
});

test('the alert about failing calls counts what the error rate of reports counts', async () => {
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const [row = ''] = page.split('\n').filter((line) => line.startsWith('| `aimm_calls_total`'));
  const statuses = [...row.matchAll(/`([a-z_]+)`/g)].map(([, name = '']) => name).slice(4);
  const [, excluded = ''] = /aimm_calls_total\{status!~"(.*?)"\}/.exec(page) ?? [];
  expect(statuses.filter((status) => !excluded.split('|').includes(status))).toEqual([
    'failed',
    'partial',
    'outcome_unknown',
  ]);
});
