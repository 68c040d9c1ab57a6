import { type LedgerRow, UsageGroupBy, type UsageQuery } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';
import { addUpByHand, definedOnly } from '../support/usage-by-hand.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Around the night in which Berlin's clocks go back. */
const from = Date.UTC(2026, 9, 24);
const everything = { limit: 1_000, unknownBefore: 0 };

describe.each(databaseKinds)('roll-ups on %s', (kind) => {
  let database: Database;
  let other: Database;
  let now = Date.UTC(2026, 10, 22);
  const open = async () => {
    const url = await createEmptyDatabase(kind);
    [database, other] = await Promise.all([
      createDatabase({ url, now: () => now }),
      createDatabase({ url, now: () => now }),
    ]);
  };
  beforeAll(open);
  afterAll(() => Promise.all([database.close(), other.close()]));

  let runs = 0;
  it('change no report, in whatever order rows come and are taken', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(queries, { minLength: 1, maxLength: 6 }), async (given, asked) => {
        // Each run has its own span of the one database.
        runs += 1;
        const offset = runs * 40 * dayMs;
        const written: LedgerRow[] = [];
        for (const step of given) {
          if ('limit' in step) await database.ledger.rollUp({ limit: step.limit, unknownBefore: 0 });
          else {
            const rows = step.rows.map((row, index) => ({
              ...row,
              requestId: `gen_${runs}_${written.length + index}`,
              startedAt: row.startedAt + offset,
            }));
            written.push(...rows);
            await database.ledger.record(rows);
          }
        }
        for (const query of asked) {
          const moved = { ...query, from: query.from + offset, to: query.to + offset };
          expect(await database.ledger.summarize(moved)).toEqual(addUpByHand(written, moved));
        }
      }),
      { seed: 20261122, numRuns: 40 },
    );
  });

  it('take each row once when two workers roll up and others write', async () => {
    const start = Date.UTC(2050, 0, 1);
    const rows = Array.from({ length: 600 }, (_, index) =>
      createLedgerRow({ requestId: `gen_race_${index}`, startedAt: start + index * 60_000, providerMs: index }),
    );
    const rollUp = async (ledger: Database['ledger']) => {
      for (let turn = 0; turn < 15; turn += 1) await ledger.rollUp({ limit: 40, unknownBefore: 0 });
    };
    const write = async () => {
      for (let at = 0; at < rows.length; at += 50) await database.ledger.record(rows.slice(at, at + 50));
    };
    const query: UsageQuery = { from: start, to: start + dayMs, groupBy: 'day' };
    const seen: number[] = [];
    const read = async () => {
      for (let turn = 0; turn < 20; turn += 1) seen.push((await other.ledger.summarize(query)).totals.calls);
    };
    await Promise.all([write(), rollUp(database.ledger), rollUp(other.ledger), read()]);
    while ((await database.ledger.rollUp(everything)) > 0);
    expect(await database.ledger.summarize(query)).toEqual(addUpByHand(rows, query));
    // Never a row twice or gone while it moved.
    expect(seen).toEqual(seen.toSorted((left, right) => left - right));
    expect(seen.at(-1)).toBeLessThanOrEqual(rows.length);
  });

  it('wait for rows of unknown outcome, and take the better one', async () => {
    const start = Date.UTC(2051, 0, 1);
    const unknown = createLedgerRow({
      requestId: 'gen_hidden',
      status: 'outcome_unknown',
      startedAt: start,
      costNanoUsd: null,
    });
    const query = { from: start, to: start + dayMs };
    await database.ledger.record([unknown]);
    await database.ledger.rollUp(everything);
    expect((await database.ledger.summarize(query)).totals).toMatchObject({ outcomeUnknown: 1, succeeded: 0 });
    const known = createLedgerRow({ requestId: 'gen_hidden', startedAt: start, costNanoUsd: 5 });
    expect(await database.ledger.record([known])).toBe(1);
    await database.ledger.rollUp(everything);
    expect(await database.ledger.summarize(query)).toEqual(addUpByHand([known], query));
  });

  it('keep an unknown outcome for good once its time is over', async () => {
    const start = Date.UTC(2051, 1, 1);
    const unknown = createLedgerRow({
      requestId: 'gen_lost',
      status: 'outcome_unknown',
      startedAt: start,
      costNanoUsd: null,
    });
    const query = { from: start, to: start + dayMs };
    await database.ledger.record([unknown]);
    await database.ledger.rollUp({ limit: 1_000, unknownBefore: start + 1 });
    expect(await database.ledger.record([createLedgerRow({ requestId: 'gen_lost', startedAt: start })])).toBe(0);
    expect(await database.ledger.summarize(query)).toEqual(addUpByHand([unknown], query));
  });

  it('add up beyond what JSON numbers hold in between', async () => {
    const start = Date.UTC(2052, 0, 1);
    const dear = Array.from({ length: 3 }, (_, index) =>
      createLedgerRow({ requestId: `gen_dear_${index}`, startedAt: start, costNanoUsd: 3_000_000_000_000_001 }),
    );
    await database.ledger.record(dear);
    await database.ledger.rollUp(everything);
    expect((await database.ledger.summarize({ from: start, to: start + 1 })).totals.costNanoUsd).toBe(
      9_000_000_000_000_003,
    );
    expect((await database.ledger.summarize({ from: start, to: start + dayMs })).totals.costNanoUsd).toBe(
      9_000_000_000_000_003,
    );
    expect(await database.ledger.sumCosts({ from: start, to: start + dayMs, provider: 'openai' })).toBe(
      9_000_000_000_000_003,
    );
  });

  it('tell budgets what was spent without what the demo made up', async () => {
    const start = Date.UTC(2053, 0, 1);
    await database.ledger.record([
      createLedgerRow({ requestId: 'gen_paid', startedAt: start, costNanoUsd: 7 }),
      createLedgerRow({ requestId: 'gen_demo', startedAt: start, costNanoUsd: 9, demo: true }),
    ]);
    const cost = () => database.ledger.sumCosts({ from: start, to: start + dayMs, client: 'tests' });
    expect(await cost()).toBe(7);
    await database.ledger.rollUp(everything);
    expect(await cost()).toBe(7);
  });
});

describe.each(databaseKinds)('deleted rows on %s', (kind) => {
  let database: Database;
  let now = Date.UTC(2026, 10, 22);
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind), now: () => now });
  });
  afterAll(() => database.close());

  const rows = Array.from({ length: 48 }, (_, index) =>
    createLedgerRow({ requestId: `gen_old_${index}`, startedAt: from + index * hourMs + 7 * 60_000, providerMs: 100 }),
  );
  const before = from + dayMs;

  it('are still in every report', async () => {
    await database.ledger.record(rows);
    expect(await database.ledger.deleteRolledUp({ limit: 100, before })).toBe(0);
    await database.ledger.rollUp(everything);
    expect(await database.ledger.deleteRolledUp({ limit: 20, before })).toBe(20);
    expect(await database.ledger.deleteRolledUp({ limit: 20, before })).toBe(4);
    expect(await database.ledger.findByRequest('gen_old_23')).toEqual([]);
    expect(await database.ledger.findByRequest('gen_old_24')).toHaveLength(1);
    for (const timeZone of ['UTC', 'Europe/Berlin', 'Asia/Kathmandu']) {
      const query: UsageQuery = { from, to: from + 2 * dayMs, groupBy: 'day', timeZone };
      expect(await database.ledger.summarize(query)).toEqual(addUpByHand(rows, query));
    }
  });

  it('widen a span that would cut them, and say so', async () => {
    const cut = { from: from + hourMs + 8 * 60_000, to: from + 5 * hourMs + 5 * 60_000 };
    const whole = { from: from + hourMs, to: from + 5 * hourMs + 15 * 60_000 };
    expect(await database.ledger.summarize(cut)).toEqual({ ...addUpByHand(rows, whole), widened: true });
    const later = { from: before + 8 * 60_000, to: before + 9 * hourMs + 8 * 60_000 };
    expect(await database.ledger.summarize(later)).toEqual(addUpByHand(rows, later));
  });

  it('are not counted again when they are recorded again, and others that come late are', async () => {
    const query: UsageQuery = { from, to: from + 2 * dayMs, groupBy: 'day' };
    const late = createLedgerRow({ requestId: 'gen_late', startedAt: from + 2 * hourMs, providerMs: 100 });
    await database.ledger.record([...rows.slice(0, 5), late]);
    const expected = addUpByHand([...rows, late], query);
    expect(await database.ledger.summarize(query)).toEqual(expected);
    await database.ledger.rollUp(everything);
    expect(await database.ledger.summarize(query)).toEqual(expected);
    expect(await database.ledger.findByRequest('gen_old_0')).toEqual([]);
    expect(await database.ledger.deleteRolledUp({ limit: 20, before })).toBe(1);
    expect(await database.ledger.summarize(query)).toEqual(expected);
  });

  it('leave their names for 30 days', async () => {
    now += 31 * dayMs;
    await database.ledger.deleteRolledUp({ limit: 100, before });
    expect(await database.ledger.record(rows.slice(0, 1))).toBe(1);
    await database.ledger.rollUp(everything);
    expect(await database.ledger.findByRequest('gen_old_0')).toHaveLength(1);
  });
});

/** Rows come in batches, at any time of a week, and batches of any size are rolled up in between. */
const optional = (below: number) => fc.option(fc.integer({ min: 0, max: below }), { nil: undefined });
const row: fc.Arbitrary<LedgerRow> = fc
  .record({
    callNumber: fc.constantFrom(1, 1, 2),
    provider: fc.constantFrom('openai', 'mistral'),
    model: fc.constantFrom('large', 'org/small'),
    client: fc.constantFrom('alice', 'bob'),
    tags: fc.subarray(['a', 'b', 'ü "c"'], { minLength: 0 }),
    status: fc.constantFrom('succeeded', 'succeeded', 'failed', 'cancelled', 'partial', 'outcome_unknown'),
    errorCode: fc.constantFrom(undefined, 'timeout' as const, 'rate_limited' as const),
    inputTokens: optional(5_000),
    outputTokens: optional(5_000),
    cacheReadTokens: optional(50),
    cacheWriteTokens: optional(50),
    reasoningTokens: optional(50),
    costNanoUsd: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: null }),
    savedNanoUsd: optional(5_000),
    cached: fc.constantFrom(false, false, false, true),
    demo: fc.boolean(),
    queueMs: optional(100_000),
    firstTokenMs: optional(3_000),
    providerMs: optional(200_000),
    startedAt: fc.oneof(
      fc.integer({ min: from, max: from + 7 * dayMs }),
      // At the edges of roll-ups, and beside them.
      fc
        .integer({ min: 0, max: 7 * 96 })
        .chain((quarter) => fc.constantFrom(-1, 0, 1).map((beside) => from + quarter * (hourMs / 4) + beside)),
    ),
  })
  .map((given) => createLedgerRow(definedOnly(given) as Partial<LedgerRow>));
const steps = fc.array(
  fc.oneof(
    fc.record({ rows: fc.array(row, { minLength: 1, maxLength: 25 }) }),
    fc.record({ limit: fc.integer({ min: 1, max: 40 }) }),
  ),
  { minLength: 2, maxLength: 8 },
);
const time = fc.oneof(
  fc.integer({ min: from - dayMs, max: from + 8 * dayMs }),
  fc.integer({ min: -4, max: 8 * 96 }).map((quarter) => from + quarter * (hourMs / 4)),
);
const queries: fc.Arbitrary<UsageQuery> = fc
  .record({
    from: time,
    to: time,
    groupBy: fc.constantFrom(undefined, ...UsageGroupBy.options, 'day' as const),
    timeZone: fc.constantFrom(undefined, 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns'),
    provider: fc.option(fc.constantFrom('openai', 'nobody'), { nil: undefined, freq: 3 }),
    model: fc.option(fc.constantFrom('large', 'openai/large'), { nil: undefined, freq: 3 }),
    client: fc.option(fc.constant('alice'), { nil: undefined, freq: 3 }),
    tag: fc.option(fc.constantFrom('a', 'ü "c"'), { nil: undefined, freq: 3 }),
  })
  .map(({ from: one, to: two, ...rest }) => definedOnly({ ...rest, from: Math.min(one, two), to: Math.max(one, two) }));
