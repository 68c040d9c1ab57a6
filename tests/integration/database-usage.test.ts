import type { LedgerRow, UsageGroupBy, UsageQuery, UsageReport, UsageTotals } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const from = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const rows = createRandomRows(700);

describe.each(databaseKinds)('usage on %s', (kind) => {
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind) });
    for (let start = 0; start < rows.length; start += 250) await database.ledger.record(rows.slice(start, start + 250));
  });
  afterAll(() => database.close());

  it.each<UsageQuery>([
    { from, to: from + 10 * dayMs },
    { from, to: from + 10 * dayMs, groupBy: 'provider' },
    { from, to: from + 10 * dayMs, groupBy: 'model' },
    { from, to: from + 10 * dayMs, groupBy: 'client' },
    { from, to: from + 10 * dayMs, groupBy: 'day' },
    { from, to: from + 10 * dayMs, groupBy: 'tag' },
    { from: from + dayMs, to: from + 2 * dayMs, groupBy: 'day' },
    { from: from + 0.5 * dayMs, to: from + 4 * dayMs, groupBy: 'model', provider: 'openai' },
    { from, to: from + 10 * dayMs, groupBy: 'client', model: 'mistral/large', tag: 'b' },
    { from, to: from + 10 * dayMs, model: 'large', client: 'alice' },
    { from, to: from + 10 * dayMs, groupBy: 'day', tag: 'no such tag' },
  ])('adds up exactly as by hand: %j', async (query) => {
    expect(await database.ledger.summarize(query)).toEqual(addUpByHand(query));
  });

  it('counts a call at the beginning of the span and not one at its end', async () => {
    const at = rows[0]?.startedAt ?? 0;
    const { totals } = await database.ledger.summarize({ from: at, to: at + 1 });
    expect(totals.calls).toBeGreaterThan(0);
    const before = await database.ledger.summarize({ from: at - 1, to: at });
    expect(before).toEqual(addUpByHand({ from: at - 1, to: at }));
  });

  it('sums money beyond 32 bits without a rounding error', async () => {
    const far = from + 100 * dayMs;
    const dear = Array.from({ length: 3 }, (_, index) =>
      createLedgerRow({ requestId: `gen_dear_${index}`, startedAt: far, costNanoUsd: 1_000_000_000_000_001 }),
    );
    await database.ledger.record(dear);
    const { totals } = await database.ledger.summarize({ from: far, to: far + 1 });
    expect(totals.costNanoUsd).toBe(3_000_000_000_000_003);
  });
});

/** The same rows at every run: a linear congruential generator with a fixed seed. */
function createRandomRows(count: number): LedgerRow[] {
  let state = 20260115;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <Item>(...items: Item[]) => items[random(items.length)] as Item;
  const maybe = (value: number) => (random(5) === 0 ? undefined : value);
  return Array.from({ length: count }, (_, index) =>
    createLedgerRow({
      requestId: `gen_${random(count)}`,
      callNumber: index + 1,
      provider: pick('openai', 'mistral', 'ollama'),
      model: pick('large', 'small', 'org/medium'),
      client: pick('alice', 'bob'),
      tags: ['a', 'b', 'c'].filter(() => random(2) === 0),
      status: pick('succeeded', 'succeeded', 'succeeded', 'failed', 'cancelled', 'partial', 'outcome_unknown'),
      ...definedOnly({
        inputTokens: maybe(random(5_000)),
        outputTokens: maybe(random(5_000)),
        cacheReadTokens: maybe(random(100)),
        cacheWriteTokens: maybe(random(100)),
        reasoningTokens: maybe(random(100)),
        firstTokenMs: maybe(random(300)),
        providerMs: maybe(random(3_000)),
      }),
      costNanoUsd: random(4) === 0 ? null : random(10_000_000),
      cached: random(6) === 0,
      startedAt: from + random(5 * dayMs),
    }),
  );
}

function definedOnly<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Value;
}

function addUpByHand(query: UsageQuery): UsageReport {
  const chosen = rows.filter(
    (row) =>
      row.startedAt >= query.from &&
      row.startedAt < query.to &&
      (query.provider === undefined || row.provider === query.provider) &&
      (query.model === undefined || [row.model, `${row.provider}/${row.model}`].includes(query.model)) &&
      (query.client === undefined || row.client === query.client) &&
      (query.tag === undefined || row.tags.includes(query.tag)),
  );
  const { groupBy } = query;
  const keys = groupBy === undefined ? [] : [...new Set(chosen.flatMap((row) => keysOf(row, groupBy)))];
  const groups = keys.map((key) => ({
    key,
    ...sum(chosen.filter((row) => groupBy !== undefined && keysOf(row, groupBy).includes(key))),
  }));
  groups.sort((a, b) => b.costNanoUsd - a.costNanoUsd || b.calls - a.calls);
  return { from: query.from, to: query.to, totals: sum(chosen), groups };
}

function keysOf(row: LedgerRow, groupBy: UsageGroupBy): string[] {
  const keys: Record<UsageGroupBy, string[]> = {
    provider: [row.provider],
    model: [`${row.provider}/${row.model}`],
    client: [row.client],
    day: [new Date(row.startedAt).toISOString().slice(0, 10)],
    tag: row.tags,
  };
  return keys[groupBy];
}

function sum(rows: LedgerRow[]): UsageTotals {
  const calls = rows.filter(({ cached }) => !cached);
  const add = (read: (row: LedgerRow) => number | null | undefined) =>
    calls.reduce((total, row) => total + (read(row) ?? 0), 0);
  const count = (status: LedgerRow['status']) => calls.filter((row) => row.status === status).length;
  const succeeded = calls.filter((row) => row.status === 'succeeded');
  const faulty = count('failed') + count('partial') + count('outcome_unknown');
  return definedOnly({
    requests: new Set(rows.map((row) => row.requestId)).size,
    calls: calls.length,
    cached: rows.length - calls.length,
    succeeded: succeeded.length,
    failed: count('failed'),
    cancelled: count('cancelled'),
    partial: count('partial'),
    outcomeUnknown: count('outcome_unknown'),
    inputTokens: add((row) => row.inputTokens),
    outputTokens: add((row) => row.outputTokens),
    cacheReadTokens: add((row) => row.cacheReadTokens),
    cacheWriteTokens: add((row) => row.cacheWriteTokens),
    reasoningTokens: add((row) => row.reasoningTokens),
    costNanoUsd: add((row) => row.costNanoUsd),
    unpricedCalls: succeeded.filter((row) => row.costNanoUsd === null).length,
    errorRate: calls.length === 0 ? 0 : faulty / calls.length,
    latencyP50Ms: nearestRank(
      succeeded.map((row) => row.providerMs),
      50,
    ),
    latencyP95Ms: nearestRank(
      succeeded.map((row) => row.providerMs),
      95,
    ),
    firstTokenP50Ms: nearestRank(
      succeeded.map((row) => row.firstTokenMs),
      50,
    ),
    firstTokenP95Ms: nearestRank(
      succeeded.map((row) => row.firstTokenMs),
      95,
    ),
  } as UsageTotals);
}

function nearestRank(values: (number | undefined)[], percent: number): number | undefined {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1];
}
