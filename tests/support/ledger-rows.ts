import type { LedgerRow } from '@aimm/contracts';

/** A ledger row that succeeded, with what a test cares about put in. */
export function createLedgerRow(given: Partial<LedgerRow> = {}): LedgerRow {
  return {
    requestId: 'gen_1',
    callNumber: 1,
    provider: 'openai',
    model: 'gpt-5-mini',
    status: 'succeeded',
    client: 'tests',
    tags: [],
    lane: 'interactive',
    estimated: false,
    costNanoUsd: 1_000,
    cached: false,
    demo: false,
    startedAt: Date.UTC(2026, 0, 15, 12),
    ...given,
  };
}
