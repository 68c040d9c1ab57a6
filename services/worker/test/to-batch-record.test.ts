import { createAssertionChecks } from '@aimm/batch';
import type { LedgerRow, Outcome } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { toBatchRecord } from '../src/batch/to-batch-record.ts';

const ended = {
  requestId: 'gen_1',
  batch: { id: 'bat_1', item: 0, column: 0, assertions: [{ type: 'max_cost' as const, nanoUsd: 20 }] },
};
const error = { code: 'server_error' as const, message: 'It failed.', retryable: true };
const answered = (costNanoUsd: number | null): Outcome => ({
  status: 'succeeded',
  value: {
    requestId: 'gen_1',
    model: 'm',
    provider: 'p',
    text: 'yes',
    finishReason: { unified: 'stop' },
    usage: {},
    costNanoUsd,
    latency: { queueMs: 1, providerMs: 2, totalMs: 3 },
    calls: 2,
    cached: false,
    warnings: [],
  },
});
const failed: Outcome = { status: 'failed', error };

function rowsOf(...costs: (number | null)[]): LedgerRow[] {
  return costs.map((costNanoUsd, index) => ({
    requestId: 'gen_1',
    callNumber: index + 1,
    provider: 'p',
    model: 'm',
    status: 'failed',
    client: 'tests',
    tags: [],
    lane: 'batch',
    estimated: false,
    costNanoUsd,
    cached: false,
    demo: false,
    startedAt: 1,
  }));
}

test.each([
  ['an answer after a call that broke, whose price nobody knows', answered(19), [null, 19], 19],
  ['an answer after one that cost something, too', answered(19), [5, 19], 24],
  ['an answer of unknown price', answered(null), [null], null],
  ['a failure after a call that was paid', failed, [5, null], 5],
  ['a failure of which nothing is known', failed, [null, 0], null],
  ['a failure that cost nothing', failed, [0], 0],
])('%s costs what the ledger knows of it', async (_name, outcome, costs, expected) => {
  const record = await toBatchRecord(ended, outcome, rowsOf(...costs), { at: 1, checks: createAssertionChecks() });
  expect(record.costNanoUsd).toBe(expected);
});

test('a call that broke before it does not make an answer’s price unknown to an assertion', async () => {
  const record = await toBatchRecord(ended, answered(19), rowsOf(null, 19), { at: 1, checks: createAssertionChecks() });
  expect(record.assertions).toEqual([{ name: 'max_cost', passed: true }]);
});

test('a demo answer costs nothing, also where its price is unknown, and a call of a vendor before it what it cost', async () => {
  const demo = [{ code: 'demo' as const, message: 'Demo' }];
  const costOf = async (costNanoUsd: number | null, rows: LedgerRow[] | undefined) => {
    const outcome = answered(costNanoUsd);
    if (outcome.status === 'succeeded') Object.assign(outcome.value as object, { warnings: demo });
    return (await toBatchRecord(ended, outcome, rows, { at: 1, checks: createAssertionChecks() })).costNanoUsd;
  };
  const rowsOfDemo = (costNanoUsd: number | null) => rowsOf(costNanoUsd).map((row) => ({ ...row, demo: true }));
  expect(await costOf(19, rowsOfDemo(19))).toBe(0);
  expect(await costOf(null, rowsOfDemo(null))).toBe(0);
  expect(await costOf(19, undefined)).toBe(0);
  expect(await costOf(19, [...rowsOf(5), ...rowsOfDemo(19)])).toBe(5);
  const broken = await toBatchRecord(ended, failed, rowsOfDemo(19), { at: 1, checks: createAssertionChecks() });
  expect(broken.costNanoUsd).toBe(0);
});

test('a failure has what its calls used, where anything was counted', async () => {
  const [broken, ...more] = rowsOf(null, 0);
  const rows = [{ ...broken, inputTokens: 7, outputTokens: 2, estimated: true } as LedgerRow, ...more];
  const checks = createAssertionChecks();
  expect(await toBatchRecord(ended, failed, rows, { at: 1, checks })).toMatchObject({
    status: 'failed',
    usage: { inputTokens: 7, outputTokens: 2, estimated: true },
    costNanoUsd: null,
  });
  expect(await toBatchRecord(ended, failed, more, { at: 1, checks })).not.toHaveProperty('usage');
});

test('an answer keeps the functions that it asked for', async () => {
  const toolCalls = [{ type: 'tool_call' as const, id: 'call_1', name: 'look', arguments: { place: 'x' } }];
  const outcome = answered(1);
  if (outcome.status === 'succeeded') Object.assign(outcome.value as object, { text: '', toolCalls });
  const record = await toBatchRecord(ended, outcome, rowsOf(1), { at: 1, checks: createAssertionChecks() });
  expect(record).toMatchObject({ status: 'succeeded', text: '', toolCalls });
});
