import type { GenerationResult, LedgerRow, Outcome } from '@aimm/contracts';
import { describe, expect, it } from 'vitest';
import { toBudgetCosts } from '../src/budgets.ts';
import { isOwnFailure, isWorthKeeping, toCachedRow } from '../src/shared-answer.ts';

const result = (given: Partial<GenerationResult>): GenerationResult => ({
  requestId: 'gen_1',
  provider: 'openai',
  model: 'm',
  text: 'yes',
  finishReason: { unified: 'stop' },
  usage: {},
  costNanoUsd: 1,
  latency: { queueMs: 0, providerMs: 1, totalMs: 1 },
  calls: 1,
  cached: false,
  warnings: [],
  ...given,
});

describe('an answer is kept', () => {
  it.each(['stop', 'tool_calls'] as const)('when it ended by %s', (unified) => {
    expect(isWorthKeeping(result({ finishReason: { unified } }))).toBe(true);
  });
  it.each(['length', 'content_filter', 'error', 'other'] as const)('never when it ended by %s', (unified) => {
    expect(isWorthKeeping(result({ finishReason: { unified } }))).toBe(false);
  });
  it('never when a stand-in gave it', () => {
    expect(isWorthKeeping(result({ warnings: [{ code: 'demo', message: '' }] }))).toBe(false);
  });
});

describe('an answer that took no call', () => {
  const asked = { requestId: 'gen_2', client: 'c', tags: [], lane: 'interactive' as const };
  it('cost nothing, and saved what the call cost', () => {
    expect(toCachedRow(asked, result({ costNanoUsd: 7 }), 1)).toMatchObject({ costNanoUsd: 0, savedNanoUsd: 7 });
  });
  it('saved nobody knows what where the price is unknown', () => {
    expect(toCachedRow(asked, result({ costNanoUsd: null }), 1)).not.toHaveProperty('savedNanoUsd');
  });
});

describe('a failure of the request that makes the call', () => {
  const failed = (code: 'cancelled' | 'timeout' | 'rate_limited' | 'server_error', retryable: boolean): Outcome => ({
    status: 'failed',
    error: { code, message: '', retryable },
  });
  it('is its own when it was cancelled or out of its own time', () => {
    expect(isOwnFailure(failed('cancelled', false))).toBe(true);
    expect(isOwnFailure(failed('timeout', false))).toBe(true);
    expect(isOwnFailure(failed('rate_limited', true), { startBy: 1 })).toBe(true);
  });
  it('is everybody’s when the provider failed', () => {
    expect(isOwnFailure(failed('timeout', true))).toBe(false);
    expect(isOwnFailure(failed('rate_limited', true))).toBe(false);
    expect(isOwnFailure(failed('server_error', true), { startBy: 1 })).toBe(false);
    // A request that never fits the provider's limit, however long it waited.
    expect(isOwnFailure(failed('rate_limited', false), { startBy: 1 })).toBe(false);
  });
});

describe('what a request takes of a budget', () => {
  const row = (given: Partial<LedgerRow>): LedgerRow => ({
    requestId: 'gen_1',
    callNumber: 1,
    provider: 'openai',
    model: 'm',
    status: 'succeeded',
    client: 'c',
    tags: [],
    lane: 'interactive',
    estimated: false,
    costNanoUsd: 7,
    cached: false,
    demo: false,
    startedAt: 0,
    ...given,
  });
  const cost = (rows: LedgerRow[], share = {}) =>
    toBudgetCosts([{ key: 'k', heldNanoUsd: 100, keepUntil: 0, ...share }], rows)[0]?.nanoUsd;

  it('is what its calls cost, with those of earlier hops', () => {
    expect(cost([row({}), row({ costNanoUsd: 3 })], { spentNanoUsd: 5 })).toBe(15);
  });
  it('is the estimate for a call that may have been billed and whose end nobody saw', () => {
    expect(cost([row({ status: 'outcome_unknown', costNanoUsd: null })])).toBe(100);
    expect(cost([row({ status: 'cancelled', costNanoUsd: null })])).toBe(100);
    expect(cost([row({ status: 'failed', errorCode: 'timeout', costNanoUsd: null })])).toBe(100);
  });
  it('is the estimate for an answer whose price nobody knows, and nothing where nothing could be estimated', () => {
    expect(cost([row({ costNanoUsd: null })])).toBe(100);
    expect(cost([row({ status: 'partial', errorCode: 'network', costNanoUsd: null })])).toBe(100);
    expect(cost([row({ costNanoUsd: null })], { heldNanoUsd: 0 })).toBe(0);
  });
  it('is nothing for a provider that could not be reached, and for a stand-in', () => {
    expect(cost([row({ status: 'failed', errorCode: 'network', costNanoUsd: null })])).toBe(0);
    expect(cost([row({ demo: true, costNanoUsd: null })])).toBe(0);
    expect(cost([row({ demo: true })])).toBe(0);
  });
  it('counts only calls to the provider that the budget is for', () => {
    expect(cost([row({}), row({ provider: 'mistral' })], { provider: 'mistral' })).toBe(7);
  });
});
