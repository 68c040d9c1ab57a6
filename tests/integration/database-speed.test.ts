import { createDatabase, type Database } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const from = Date.UTC(2026, 0, 15);

describe.each(databaseKinds)('the speed of models on %s', (kind) => {
  let database: Database;
  let count = 0;
  const call = (given: Parameters<typeof createLedgerRow>[0]) =>
    createLedgerRow({ requestId: `gen_${count++}`, startedAt: from + count, ...given });
  beforeAll(async () => {
    database = await createDatabase({ url: await createEmptyDatabase(kind) });
    await database.ledger.record([
      // 100 tokens in 1, 2 and 4 seconds after a first one at 100, 300 and 200 ms.
      call({ firstTokenMs: 100, providerMs: 1_100, outputTokens: 100 }),
      call({ firstTokenMs: 300, providerMs: 2_300, outputTokens: 100 }),
      call({ firstTokenMs: 200, providerMs: 4_200, outputTokens: 100 }),
      // Too short to tell how fast it went on.
      call({ model: 'brief', firstTokenMs: 50, providerMs: 60, outputTokens: 3 }),
      // None of these was a provider's own work of today.
      call({ firstTokenMs: 1, providerMs: 2, outputTokens: 100, cached: true }),
      call({ firstTokenMs: 1, providerMs: 2, outputTokens: 100, demo: true }),
      call({ firstTokenMs: 1, providerMs: 2, outputTokens: 100, status: 'failed' }),
      call({ firstTokenMs: 1, providerMs: 2, outputTokens: 100, startedAt: from - 1 }),
      call({ model: 'unknown', outputTokens: 100 }),
    ]);
  });
  afterAll(() => database.close());

  it('is the median of what the ledger saw', async () => {
    const speeds = await database.ledger.measureSpeed(from);
    expect(speeds.toSorted((a, b) => (a.model < b.model ? -1 : 1))).toEqual([
      { model: 'openai/brief', calls: 1, firstTokenMs: 50 },
      { model: 'openai/gpt-5-mini', calls: 3, firstTokenMs: 200, tokensPerSecond: 50 },
    ]);
  });
});
