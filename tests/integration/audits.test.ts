import type { LedgerRow } from '@aimm/contracts';
import { describe, expect, it } from 'vitest';
import { createReport } from '../soak/report.ts';
import { type AccountOptions, findAccountFaults } from '../support/account-faults.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import type { UpstreamCall } from '../support/upstream.ts';

const model = 'mistral-medium-3-5';
const asked = { requestId: 'gen_1', prompt: '<<1: asked>>', model };

function createCall(given: Partial<UpstreamCall> = {}): UpstreamCall {
  const counts = { input: 10, output: 5 };
  const [path, headers] = ['/v1/chat/completions', {}];
  const { prompt } = asked;
  return { number: 1, path, model, prompt, authorization: undefined, headers, arrivedAt: 1, counts, ...given };
}

function createRows(...given: Partial<LedgerRow>[]): LedgerRow[] {
  const answered = { inputTokens: 10, outputTokens: 5, costNanoUsd: 52_500, finishedAt: Date.UTC(2026, 0, 15, 13) };
  return given.map((row, index) =>
    createLedgerRow({ provider: 'mistral', model, callNumber: index + 1, ...answered, ...row }),
  );
}

const failed = (errorCode: LedgerRow['errorCode'] = 'server_error') => ({ status: 'failed', errorCode }) as const;
const unknown = { status: 'outcome_unknown' } as const;
const cached = { cached: true, costNanoUsd: 0 };

/** What the fault tests and the soak hold the ledger against. */
describe('findAccountFaults', () => {
  const find = (calls: UpstreamCall[], rows: LedgerRow[], options: AccountOptions = {}) =>
    findAccountFaults({ generations: [asked], calls, rows: new Map([['gen_1', rows]]) }, options);

  it.each<[string, UpstreamCall[], LedgerRow[], AccountOptions?]>([
    ['an answer', [createCall()], createRows({})],
    ['an answer of the cache', [], createRows(cached)],
    ['a call that broke, and the next', [createCall({ counts: undefined }), createCall()], createRows(failed(), {})],
    ['a hidden call that arrived', [createCall(), createCall()], createRows(unknown, {})],
    ['a hidden call that was not made', [createCall()], createRows(unknown, {}), { unmadeCalls: 1 }],
    ['a call that broke on its way', [createCall()], createRows(failed('network'), {}), { unseenCalls: 1 }],
    ['an answer that was lost with its worker', [createCall(), createCall()], createRows({}, {}), { repeatedCalls: 1 }],
    [
      'many refusals',
      Array.from({ length: 6 }, () => createCall()),
      createRows(...Array(5).fill(failed('rate_limited')), {}),
    ],
  ])('takes %s', (_what, calls, rows, options) => {
    expect(find(calls, rows, options)).toEqual([]);
  });

  it.each<[string, UpstreamCall[], LedgerRow[], AccountOptions?]>([
    ['a call without a row', [createCall()], []],
    ['a row without a call', [], createRows({})],
    ['a hidden call that nobody made', [createCall()], createRows(unknown, {}), { unseenCalls: 9 }],
    ['more hidden calls than there were deaths', [createCall()], createRows(unknown, unknown, {}), { unmadeCalls: 1 }],
    [
      'more broken calls than connections',
      [createCall()],
      createRows(failed('network'), failed('network'), {}),
      { unseenCalls: 1, unmadeCalls: 9 },
    ],
    ['an answer asked for twice', [createCall(), createCall()], createRows({}, {})],
    [
      'an answer asked for three times',
      Array.from({ length: 3 }, () => createCall()),
      createRows({}, {}, {}),
      { repeatedCalls: 1 },
    ],
    [
      'a call after one that was refused for good',
      [createCall(), createCall()],
      createRows(failed('invalid_request'), {}),
    ],
    [
      'more attempts than there are',
      Array.from({ length: 5 }, () => createCall()),
      createRows(failed(), failed(), failed(), failed(), {}),
    ],
    ['an answer that cost nothing', [createCall()], createRows({ costNanoUsd: null })],
    ['an answer of other counts', [createCall()], createRows({ outputTokens: 6, costNanoUsd: 60_000 })],
    ['an answer that never came', [createCall({ counts: undefined })], createRows({})],
    ['an answer without an end', [createCall()], createRows({ finishedAt: undefined })],
    ['an answer of the cache, twice', [], createRows(cached, cached)],
    ['numbers with a gap', [createCall()], createRows({ callNumber: 2 })],
    ['a call that nobody asked for', [createCall(), createCall({ prompt: 'of somebody else' })], createRows({})],
  ])('finds %s', (_what, calls, rows, options) => {
    expect(find(calls, rows, options)).not.toEqual([]);
  });
});

describe('the report of a soak', () => {
  const report = (residentKb: number, samples = 1) => {
    const made = createReport({ minutes: 1, database: 'sqlite', rate: 4, roundSeconds: 30 }, '7');
    for (let sample = 0; sample < samples; sample += 1) made.sample('worker', { residentKb });
    return made;
  };

  it('says where it was too short to tell what grows', () => {
    expect(report(1).table()).toContain('too short to tell');
    expect(report(1, 6).table()).not.toContain('too short to tell');
  });

  it('holds what a process may take at most however short it was', () => {
    expect(report(900_000).grown()).toEqual(['worker: residentKb is 900000, more than 800000']);
    expect(report(700_000).grown()).toEqual([]);
  });
});
