import { stripVTControlCharacters } from 'node:util';
import { renderBatchProgress, toProgressLine } from '@aimm/batch/progress';
import { addCounts, type BatchCounts, type BatchProviderPace, type BatchView } from '@aimm/contracts';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { createSampleBatch } from './support/sample-batch.ts';

fc.configureGlobal({ seed: 1 });

const now = 1_790_000_125_000;
const none: BatchCounts = { waiting: 0, queued: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };

function createView(each: Partial<BatchCounts>[], more: Partial<BatchView> = {}): BatchView {
  const { view } = createSampleBatch(1, each.length);
  const columns = view.columns
    .slice(0, each.length)
    .map((summary, index) => ({ ...summary, counts: { ...none, ...each[index] }, costNanoUsd: 310_000_000 }));
  const counts = addCounts(columns.map((column) => column.counts));
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const { endedAt: _, ...running } = view;
  return { ...running, status: 'running', columns, counts, total, costNanoUsd: 620_000_000, ...more };
}

const running = createView(
  [
    { succeeded: 1_200, queued: 50, waiting: 746, failed: 4 },
    { succeeded: 10, waiting: 1_990 },
  ],
  { estimatedLeftMs: 200_000, maxCostNanoUsd: 5_000_000_000 },
);

describe('a batch while it runs', () => {
  test('has what it came to in all, and a row for each provider, its batch API apart', () => {
    const paces: BatchProviderPace[] = [
      { provider: 'openai', lane: 'queue', running: 8, perMinute: 480.4, limitPerMinute: 500, estimatedLeftMs: 99_500 },
      { provider: 'anthropic', lane: 'provider_batch', running: 0 },
    ];
    const lines = renderBatchProgress(running, { width: 120, colours: false, now, paces });
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "Capitals in three languages  running
      ████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 1,214 of 4,000 · 30 %
      $0.62 spent of at most $5.00 · 2 min 5 s so far · about 3 min 20 s left

      provider                                 %   done  running  waiting  failed    a minute  spent        left
      openai             █████████░░░░░░░   60 %  1,200        8      788       4  480 of 500  $0.31  1 min 40 s
      anthropic (batch)  ░░░░░░░░░░░░░░░░  0.5 %     10        0    1,990       0              $0.31"
    `);
  });

  test('is full only when all is done, and says how it ended', () => {
    const bar = (view: BatchView) => renderBatchProgress(view, { width: 120, colours: false, now })[1] ?? '';
    expect(bar(createView([{ succeeded: 9_999, waiting: 1 }]))).toMatch(/░ 9,999 of 10,000 · 99\.9 %$/);
    expect(bar(createView([{ succeeded: 9_000, failed: 900, skipped: 60, cancelled: 40 }]))).toMatch(
      /^█{40} .* 100 %$/,
    );
    const ended = createView([{ succeeded: 2 }], { status: 'completed', endedAt: 1_790_000_060_000 });
    expect(renderBatchProgress(ended, { width: 120, colours: false, now })[2]).toBe('$0.62 spent · 1 min in all');
  });

  test('is coloured only where it may be', () => {
    const plain = renderBatchProgress(running, { width: 100, colours: false, now }).join('\n');
    const coloured = renderBatchProgress(running, { width: 100, colours: true, now }).join('\n');
    expect(plain).not.toContain('\u001B');
    expect(stripVTControlCharacters(coloured)).toBe(plain);
    expect(coloured).not.toBe(plain);
  });

  test('fits any terminal, whatever the numbers and names', () => {
    const count = fc.integer({ min: 0, max: 500_000 });
    const counts = fc.record({
      waiting: count,
      queued: count,
      succeeded: count,
      failed: count,
      cancelled: count,
      skipped: count,
    });
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(counts, { minLength: 1, maxLength: 5 }),
        name,
        fc.integer({ min: 24, max: 200 }),
        (each, title, width) => {
          const view = createView(each, { name: title, pausedBecause: title, estimatedLeftMs: 1e7 });
          const paces: BatchProviderPace[] = [
            {
              provider: 'openai',
              lane: 'queue',
              running: 12_000,
              perMinute: 12,
              limitPerMinute: 1e4,
              pausedForMs: 5e5,
            },
          ];
          for (const line of renderBatchProgress(view, { width, colours: false, now, paces })) {
            expect(stringWidth(line)).toBeLessThanOrEqual(width);
            expect(line).not.toMatch(/\p{Cc}/u);
          }
        },
      ),
    );
  });
});

test('the plain form is one line', () => {
  expect(toProgressLine(running)).toBe(
    'bat_01990000-0000-7000-8000-000000000001 running: 1,214 of 4,000 (30 %), 4 failed, $0.62 spent of at most $5.00, about 3 min 20 s left',
  );
  const paused = createView([{ succeeded: 1, waiting: 1 }], {
    status: 'paused',
    pausedBecause: 'the budget\nis spent',
  });
  expect(toProgressLine(paused)).toMatch(/ paused: 1 of 2 \(50 %\), \$0\.62 spent, the budget is spent$/);
  expect(toProgressLine({ ...paused, demo: true })).toMatch(
    /, \$0\.62 spent \(demo answers cost nothing\), the budget/,
  );
  const waiting = createView([{ waiting: 2 }], { waitsBecause: 'openai is\noverloaded.', estimatedLeftMs: 1e7 });
  expect(toProgressLine(waiting)).toMatch(/ running: 0 of 2 \(0 %\), \$0\.62 spent, openai is overloaded\.$/);
});
