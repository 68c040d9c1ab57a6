import type { BatchColumn } from '@aimm/contracts';
import { createColumnSummaries, summariseColumns, type SummarisedGeneration } from '@aimm/batch';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

fc.configureGlobal({ seed: 1 });

const column = (number: number, model: string, judges?: number[]): BatchColumn => ({
  number,
  provider: 'p',
  model,
  lane: 'queue',
  ...(judges !== undefined && { judges }),
});

describe('what a column came to', () => {
  test('counts, pass rates, cost, tokens and errors', async () => {
    const rows: SummarisedGeneration[] = [
      {
        item: 0,
        column: 0,
        status: 'succeeded',
        costNanoUsd: 5,
        usage: { inputTokens: 10, outputTokens: 3 },
        providerMs: 100,
        firstTokenMs: 40,
        assertions: [
          { name: 'contains', passed: true },
          { name: 'max_cost', passed: true },
        ],
      },
      {
        item: 1,
        column: 0,
        status: 'succeeded',
        costNanoUsd: null,
        usage: { outputTokens: 4 },
        providerMs: 300,
        assertions: [
          { name: 'contains', passed: true },
          { name: 'max_cost', passed: false },
        ],
      },
      {
        item: 2,
        column: 0,
        status: 'failed',
        error: { code: 'timeout', message: 'x', retryable: true },
        providerMs: 9_000,
      },
      { item: 3, column: 0, status: 'waiting' },
      { item: 0, column: 1, status: 'skipped' },
    ];
    expect(await summariseColumns([column(0, 'a'), column(1, 'b')], rows)).toEqual([
      {
        column: column(0, 'a'),
        counts: { waiting: 1, queued: 0, succeeded: 2, failed: 1, cancelled: 0, skipped: 0 },
        passed: 1,
        asserted: 2,
        assertions: { contains: { passed: 2, of: 2 }, max_cost: { passed: 1, of: 2 } },
        wins: 0,
        losses: 0,
        ties: 0,
        costNanoUsd: 5,
        unpriced: 1,
        inputTokens: 10,
        outputTokens: 7,
        latencyP50Ms: 100,
        latencyP95Ms: 300,
        firstTokenP50Ms: 40,
        errors: { timeout: 1 },
      },
      expect.objectContaining({ counts: expect.objectContaining({ skipped: 1 }), errors: {}, assertions: {} }),
    ]);
  });

  test('an answer wins where the judge names it in both orders; of two minds is a tie; one order alone is nothing', async () => {
    const columns = [column(0, 'a'), column(1, 'b'), column(2, 'judge', [0, 1]), column(3, 'judge', [1, 0])];
    const verdicts = [
      ['first', 'second'], // a, a
      ['second', 'first'], // b, b
      ['first', 'first'], // a, b
      ['tie', 'second'], // none, a
      ['tie', 'tie'],
      ['first', undefined],
    ] as const;
    const rows = verdicts.flatMap(([one, other], item): SummarisedGeneration[] => [
      { item, column: 2, status: 'succeeded', verdict: { winner: one } },
      { item, column: 3, status: 'succeeded', ...(other !== undefined && { verdict: { winner: other } }) },
    ]);
    for (const order of [rows, rows.toReversed(), rows.toSorted((a, b) => a.column - b.column)]) {
      const [a, b, judge] = await summariseColumns(columns, order);
      expect(a).toMatchObject({ wins: 1, losses: 1, ties: 3 });
      expect(b).toMatchObject({ wins: 1, losses: 1, ties: 3 });
      expect(judge).toMatchObject({ wins: 0, losses: 0, ties: 0 });
    }
  });

  test('two judges are heard apart', async () => {
    const judged = ['j', 'k'].flatMap((model, index) => [
      column(2 + 2 * index, model, [0, 1]),
      column(3 + 2 * index, model, [1, 0]),
    ]);
    const columns = [column(0, 'a'), column(1, 'b'), ...judged];
    const rows = [2, 4].map((number): SummarisedGeneration => ({
      item: 0,
      column: number,
      status: 'succeeded',
      verdict: { winner: 'first' },
    }));
    expect((await summariseColumns(columns, rows))[0]).toMatchObject({ wins: 0, ties: 0 });
  });

  test('the score is the mean of those that judges gave', async () => {
    const columns = [column(0, 'a'), column(1, 'judge', [0])];
    const rows = [8, 5].map((score, item): SummarisedGeneration => ({
      item,
      column: 1,
      status: 'succeeded',
      verdict: { score },
    }));
    const [a, judge] = await summariseColumns(columns, rows);
    expect(a?.score).toBe(6.5);
    expect(judge).not.toHaveProperty('score');
  });

  test('percentiles are those of the sorted list', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 300 }), (times) => {
        const summaries = createColumnSummaries([column(0, 'a')]);
        for (const [item, providerMs] of times.entries())
          summaries.add({ item, column: 0, status: 'succeeded', providerMs });
        const [summary] = summaries.summary();
        const sorted = times.toSorted((a, b) => a - b);
        const below = (value = -1) => sorted.filter((each) => each <= value).length / sorted.length;
        const strictlyBelow = (value = -1) => sorted.filter((each) => each < value).length / sorted.length;
        expect(below(summary?.latencyP50Ms)).toBeGreaterThanOrEqual(0.5);
        expect(strictlyBelow(summary?.latencyP50Ms)).toBeLessThan(0.5);
        expect(below(summary?.latencyP95Ms)).toBeGreaterThanOrEqual(0.95);
        expect(strictlyBelow(summary?.latencyP95Ms)).toBeLessThan(0.95);
      }),
    );
  });

  test('half a million rows are summed up in less than 60 MB', () => {
    const columns = [column(0, 'a'), column(1, 'b'), column(2, 'judge', [0, 1]), column(3, 'judge', [1, 0])];
    const summaries = createColumnSummaries(columns);
    const memory = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    const before = memory();
    for (let each = 0; each < columns.length; each += 1) {
      for (let item = 0; item < 125_000; item += 1) {
        const verdict = each < 2 ? {} : { verdict: { winner: each === 2 ? ('first' as const) : ('second' as const) } };
        summaries.add({
          item,
          column: each,
          status: 'succeeded',
          providerMs: item,
          firstTokenMs: item / 2,
          ...verdict,
        });
      }
    }
    expect(summaries.summary()[0]).toMatchObject({ wins: 125_000, latencyP50Ms: 62_499, latencyP95Ms: 118_749 });
    expect(memory() - before).toBeLessThan(60e6);
  });
});
