import type { LedgerRow, UsageQuery } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';
import { toMedian } from '../support/median.ts';
import { addUpByHand, definedOnly } from '../support/usage-by-hand.ts';

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
    { from, to: from + 10 * dayMs, groupBy: 'day', timeZone: 'Asia/Kathmandu' },
    { from: from + dayMs, to: from + 2 * dayMs, groupBy: 'day' },
    { from: from + 0.5 * dayMs, to: from + 4 * dayMs, groupBy: 'model', provider: 'openai' },
    { from, to: from + 10 * dayMs, groupBy: 'client', model: 'mistral/large', tag: 'b' },
    { from, to: from + 10 * dayMs, model: 'large', client: 'alice' },
    { from, to: from + 10 * dayMs, groupBy: 'day', tag: 'no such tag' },
  ])('adds up exactly as by hand: %j', async (query) => {
    expect(await database.ledger.summarize(query)).toEqual(addUpByHand(rows, query));
  });

  it('counts a call at the beginning of the span and not one at its end', async () => {
    const at = rows[0]?.startedAt ?? 0;
    const { totals } = await database.ledger.summarize({ from: at, to: at + 1 });
    expect(totals.requests).toBeGreaterThan(0);
    const before = await database.ledger.summarize({ from: at - 1, to: at });
    expect(before).toEqual(addUpByHand(rows, { from: at - 1, to: at }));
  });

  it('reports on all time as quickly as on what there is', async () => {
    const everything = { from: Date.parse('0001-01-01'), to: Date.parse('9999-12-31') };
    const { totals } = await database.ledger.summarize(everything);
    expect(totals).toEqual(addUpByHand(rows, everything).totals);
    const measure = async (query: UsageQuery) => {
      const startedAt = performance.now();
      await database.ledger.summarize(query);
      return performance.now() - startedAt;
    };
    const ratios: number[] = [];
    for (let time = 0; time < 5; time += 1)
      ratios.push((await measure(everything)) / (await measure({ from, to: from + 10 * dayMs })));
    expect(toMedian(ratios)).toBeLessThan(4);
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
      requestId: `gen_${Math.floor(index / 2)}`,
      callNumber: (index % 2) + 1,
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
        queueMs: maybe(random(400)),
        savedNanoUsd: maybe(random(5_000)),
        errorCode: pick(undefined, 'timeout' as const, 'rate_limited' as const),
      }),
      costNanoUsd: random(4) === 0 ? null : random(10_000_000),
      cached: random(6) === 0,
      demo: random(7) === 0,
      startedAt: from + random(5 * dayMs),
    }),
  );
}
