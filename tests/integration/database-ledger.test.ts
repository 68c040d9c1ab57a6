import type { LedgerRow } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

describe.each(databaseKinds)('the ledger on %s', (kind) => {
  let database: Database;
  let other: Database;
  beforeAll(async () => {
    const url = await createEmptyDatabase(kind);
    [database, other] = [await createDatabase({ url }), await createDatabase({ url })];
  });
  afterAll(() => Promise.all([database.close(), other.close()]));

  it('gives back every field of a row as it was recorded', async () => {
    const full: LedgerRow = {
      ...createLedgerRow({ requestId: 'gen_full', callNumber: 2 }),
      parentId: 'cmp_1',
      answeredBy: 'gpt-5-mini-2026-01-01',
      status: 'failed',
      errorCode: 'rate_limited',
      tags: ['nightly', 'ünï "quoted" \\ tag'],
      lane: 'batch',
      inputTokens: 1,
      outputTokens: 0,
      cacheReadTokens: 3,
      cacheWriteTokens: 4,
      reasoningTokens: 5,
      estimated: true,
      costNanoUsd: 9_007_199_254_740_991,
      priceVersion: '2026-01',
      cached: true,
      demo: true,
      queueMs: 6,
      firstTokenMs: 7,
      providerMs: 8,
      finishedAt: Date.UTC(2026, 0, 15, 12, 0, 1),
    };
    const spare = createLedgerRow({ requestId: 'gen_full', callNumber: 1, costNanoUsd: null });
    expect(await database.ledger.record([full, spare])).toBe(2);
    expect(await database.ledger.findByRequest('gen_full')).toEqual([spare, full]);
  });

  it('takes a row whose counts nobody can have counted, without them', async () => {
    const startedAt = Date.UTC(2031, 5, 1);
    const odd = [2 ** 32 - 1, 2 ** 53, 2 ** 64].map((tokens, index) =>
      createLedgerRow({
        requestId: `gen_odd_${index}`,
        startedAt,
        inputTokens: tokens,
        outputTokens: 7,
        queueMs: 2 ** 33,
      }),
    );
    expect(await database.ledger.record(odd)).toBe(3);
    const { totals } = await database.ledger.summarize({ from: startedAt, to: startedAt + 1 });
    expect(totals).toMatchObject({ calls: 3, inputTokens: 0, outputTokens: 21 });
    const [first] = await database.ledger.findByRequest('gen_odd_0');
    expect(first).toMatchObject({ outputTokens: 7, queueMs: 2 ** 31 - 1 });
    expect(first).not.toHaveProperty('inputTokens');
  });

  it('knows nothing of a request that made no call', async () => {
    expect(await database.ledger.findByRequest('gen_unheard_of')).toEqual([]);
    expect(await database.ledger.record([])).toBe(0);
  });

  it('keeps the first row of a call, however often it is recorded', async () => {
    const row = createLedgerRow({ requestId: 'gen_first', inputTokens: 10 });
    expect(await database.ledger.record([row, row])).toBe(1);
    expect(await other.ledger.record([{ ...row, inputTokens: 99, status: 'outcome_unknown' }])).toBe(0);
    expect(await database.ledger.findByRequest('gen_first')).toEqual([row]);
  });

  it('betters a row whose outcome was unknown, once', async () => {
    const unknown = createLedgerRow({ requestId: 'gen_lost', status: 'outcome_unknown', costNanoUsd: null });
    const known = createLedgerRow({ requestId: 'gen_lost', outputTokens: 7, providerMs: 20, tags: ['late'] });
    expect(await database.ledger.record([unknown])).toBe(1);
    expect(await database.ledger.record([{ ...unknown, providerMs: 1 }])).toBe(0);
    expect(await database.ledger.record([unknown, known])).toBe(1);
    expect(await database.ledger.record([{ ...known, status: 'failed' }])).toBe(0);
    expect(await database.ledger.findByRequest('gen_lost')).toEqual([known]);
  });

  it('takes 500 rows at once, and the same 500 again without a second copy', async () => {
    const rows = Array.from({ length: 500 }, (_, index) =>
      createLedgerRow({ requestId: 'gen_many', callNumber: index + 1 }),
    );
    expect(await database.ledger.record(rows)).toBe(500);
    expect(await database.ledger.record(rows)).toBe(0);
    expect(await database.ledger.findByRequest('gen_many')).toEqual(rows);
  });

  it('counts each call once when many writers record the same rows at the same time, in any order', async () => {
    const rows = Array.from({ length: 50 }, (_, index) => createLedgerRow({ requestId: `gen_race_${index}` }));
    const writes = Array.from({ length: 16 }, (_, index) =>
      (index % 2 === 0 ? database : other).ledger.record(index % 3 === 0 ? rows.toReversed() : rows),
    );
    const written = await Promise.all(writes);
    expect(written.reduce((sum, count) => sum + count, 0)).toBe(50);
  });

  it('stores text that one of the databases would refuse', async () => {
    const row = createLedgerRow({ requestId: 'gen_text', model: 'nul\0here', tags: ['half \ud83d'] });
    expect(await database.ledger.record([row])).toBe(1);
    expect(await database.ledger.findByRequest('gen_text')).toMatchObject([
      { model: 'nulhere', tags: ['half \ufffd'] },
    ]);
  });
});
