import { renderResults, type BatchResult } from '@aimm/batch';
import type { BatchGeneration, BatchView } from '@aimm/contracts';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { createSampleBatch, join, stream } from './support/sample-batch.ts';

fc.configureGlobal({ seed: 1 });

/** Texts that break formats: markup, formulas, quotes, line ends, control characters, wide and combined characters. */
const odd = [
  ['</script>', '<!--', '<b>', '<br>', '&amp;', '"', "'", '|', '\\', '`', '*', '_', '#', '${x}', '$&'],
  ['=1+1', '-', '@', '+', ',', ';', '\t', '\r\n', '\n', '\r', ' ', '  '],
  ['日本', '表'.repeat(70), '👩‍👩‍👧'.repeat(20), '👩‍👩‍👧', 'e\u0301', '\u001B[31m', '\u0000', '\u2028', '\u202E'],
].flat();
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.constantFrom(...odd)).map((parts) => parts.join('')),
);

interface Answer {
  prompt: string;
  texts: string[];
}
const answers = fc.array(
  fc.record({ prompt: text.filter((value) => value !== ''), texts: fc.array(text, { minLength: 2, maxLength: 2 }) }),
  {
    minLength: 1,
    maxLength: 5,
  },
);

function toBatch(given: readonly Answer[]): { view: BatchView; results: BatchResult[] } {
  const { view } = createSampleBatch(1, 2);
  const results = given.map(({ prompt, texts }, item): BatchResult => ({
    item: { id: `i${item}`, messages: [{ role: 'user', content: [{ type: 'text', text: prompt }] }], vars: { prompt } },
    generations: texts.map((each, column): BatchGeneration => ({
      item,
      itemId: `i${item}`,
      column,
      status: 'succeeded',
      text: each,
      costNanoUsd: column === 0 ? 1_234_567_891 : null,
      usage: { inputTokens: 3, outputTokens: 4 },
      providerMs: 12.5,
      assertions: [{ name: 'contains', passed: column === 0, ...(column === 1 && { reason: each }) }],
    })),
  }));
  return { view, results };
}

const render = (format: Parameters<typeof renderResults>[0], given: readonly Answer[], options = {}) => {
  const { view, results } = toBatch(given);
  return join(renderResults(format, view, stream(results), options));
};

describe('what goes in comes out', () => {
  test('of JSON lines', async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const lines = (await render('jsonl', given)).split('\n');
        expect(lines.pop()).toBe('');
        const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        expect(records).toEqual(
          given.flatMap(({ prompt, texts }, item) =>
            texts.map((each, column) => ({
              item: `i${item}`,
              number: item,
              prompt,
              vars: { prompt },
              model: column === 0 ? 'openai/gpt-5-mini' : 'anthropic/claude-sonnet-4-5',
              lane: column === 0 ? 'queue' : 'provider_batch',
              column,
              status: 'succeeded',
              text: each,
              usage: { input_tokens: 3, output_tokens: 4 },
              cost_usd: column === 0 ? 1.234567891 : null,
              latency_ms: 12.5,
              passed: column === 0,
              assertions: [{ name: 'contains', passed: column === 0, ...(column === 1 && { reason: each }) }],
            })),
          ),
        );
      }),
    );
  });

  test('of CSV, and no cell is a formula', async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const rows: Record<string, string>[] = parse(await render('csv', given), { bom: true, columns: true });
        const unguard = (cell = '') => (/^'+[=+\-@\t\r\n＝＋－＠]/.test(cell) ? cell.slice(1) : cell);
        expect(rows.map((row) => [row['item'], unguard(row['prompt']), unguard(row['text']), row['cost_usd']])).toEqual(
          given.flatMap(({ prompt, texts }, item) =>
            texts.map((each, column) => [`i${item}`, prompt, each, column === 0 ? '1.234567891' : '']),
          ),
        );
        for (const cell of rows.flatMap((row) => Object.values(row))) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });

  test('of the page', async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const page = await render('html', given);
        const blocks = [...page.matchAll(/<script type="application\/json" class="items">(.*?)<\/script>/gs)];
        const items = blocks.flatMap(
          (block) => JSON.parse(block[1] ?? '') as { prompt: string; answers: { text: string }[] }[],
        );
        expect(items.map(({ prompt, answers: all }) => ({ prompt, texts: all.map((each) => each.text) }))).toEqual(
          given,
        );
        expect(page.match(/<\/script/g)).toHaveLength(blocks.length + 2);
      }),
      { numRuns: 40 },
    );
  });

  test('of Markdown, cell by cell', async () => {
    const unescape = (cell: string) =>
      cell
        .replace(/^<details><summary>(.*)…<\/summary>(.*)<\/details>$/s, '$1$2')
        .replaceAll('<br>', '\n')
        .replaceAll(/\\([\\`*_[\]~|$#])/g, '$1')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&')
        .trim();
    const plain = (value: string) =>
      value
        .trim()
        .replaceAll(/\r\n|\r/g, '\n')
        .trim();
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const table = (await render('md', given))
          .split('## Answers')[1]
          ?.split('\n')
          .filter((line) => line.startsWith('| i'));
        const rows = (table ?? [])
          .filter((line) => !line.startsWith('| item |'))
          .map((line) => line.slice(2, -2).split(/ \| /));
        expect(rows.map(([id, prompt = '']) => [id, unescape(prompt)])).toEqual(
          given.map(({ prompt }, item) => [`i${item}`, plain(prompt)]),
        );
        const cells = rows.map(([, , ...each]) =>
          each.map((cell) => unescape(cell.split('<br><sub>')[0]?.slice(2) ?? '')),
        );
        expect(cells).toEqual(given.map(({ texts }) => texts.map(plain)));
      }),
    );
  });
});

describe('the table for a terminal', () => {
  test.each([40, 79, 100, 200])('no line is wider than the terminal, at %i', async (width) => {
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const table = await render('table', given, { width });
        expect(table.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
        for (const line of table.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 30 },
    );
  });

  test('answers stand beside each other with what came of them', async () => {
    const { view, results } = createSampleBatch(3, 2);
    expect(await join(renderResults('table', view, stream(results), { width: 120 }))).toMatchInlineSnapshot(`
      "item      prompt                               openai/gpt-5-mini                    anthropic/claude-sonnet-4-5
      1         What is the capital of France?       ✓ [5.5 of 10] The capital of France  ✗ [5 of 10] I believe that the
                Answer in English. (1)                 is Paris.                            capital of France is Lyon.
      2         What is the capital of France?       ✓ [7.5 of 10] Paris is the capital   ✗ [6.5 of 10] I believe that the
                Answer in Deutsch. (2)                 of France, and has been since the    capital of France is Lyon.
                                                       tenth century.
      3         What is the capital of France?       ✗ [8 of 10] I believe that the       ! rate_limited: The provider is
                Answer in 日本語. (3)                  capital of France is Lyon. It is     asked too often.
                                                       a long story. It is a long story.
                                                       It is a long story. It is a long…

      openai/gpt-5-mini
        done 3 · failed 0 · passed 67 % · contains 67 % · max_latency 100 % · score 7.0 · cost $0.03 · tokens in 63 · tokens
        out 338 · p50 532 ms · p95 1.0 s
      anthropic/claude-sonnet-4-5
        done 2 · failed 1 · passed 0 % · contains 0 % · max_latency 50 % · score 5.8 · cost $0.0051 · tokens in 42 · tokens
        out 24 · p50 732 ms · p95 2.1 s · errors rate_limited 1
      openai/gpt-5 on openai/gpt-5-mini
        done 3 · failed 0 · cost $0.00027 · tokens in 0 · tokens out 0 · p50 900 ms · p95 900 ms
      openai/gpt-5 on anthropic/claude-sonnet-4-5
        done 2 · failed 0 · cost $0.00018 · tokens in 0 · tokens out 0 · p50 900 ms · p95 900 ms
      bat_01990000-0000-7000-8000-000000000001 · completed · 3 items · $0.03
      "
    `);
  });
});

test('a long answer is folded in Markdown, and says how much of it is left out', async () => {
  const page = await render('md', [{ prompt: 'p', texts: ['x'.repeat(300), 'y'.repeat(5_000)] }]);
  expect(page).toContain(`<details><summary>${'x'.repeat(240)}…</summary>${'x'.repeat(60)}</details>`);
  expect(page).toContain('(1,000 characters left out)');
});

test('what a judge said stands with the answer', async () => {
  const { view, results } = createSampleBatch(1, 2);
  const [result] = results;
  const pairs = [
    [0, 1],
    [1, 0],
  ].map((judges, index) => ({ number: 2 + index, provider: 'openai', model: 'gpt-5', lane: 'queue' as const, judges }));
  const columns = [...view.columns.slice(0, 2), ...pairs.map((column) => ({ ...view.columns[0]!, column }))];
  const generations = [
    ...(result?.generations.slice(0, 2) ?? []),
    ...pairs.map(({ number }): BatchGeneration => ({
      item: 0,
      itemId: '1',
      column: number,
      status: 'succeeded',
      verdict: { winner: 'first' },
    })),
  ];
  const page = await join(renderResults('md', { ...view, columns }, stream([{ item: result!.item, generations }])));
  expect(page).toContain('<sub>better than anthropic/claude-sonnet-4-5 · worse than anthropic/claude-sonnet-4-5 ·');
  expect(page).toContain('<sub>worse than openai/gpt-5-mini · better than openai/gpt-5-mini ·');
});

describe('functions that an answer asked for', () => {
  const call = { type: 'tool_call' as const, id: 'call_1', name: 'find_place', arguments: { city: 'Rome' } };
  const result: BatchResult = {
    item: { id: 'i', messages: [{ role: 'user', content: [{ type: 'text', text: 'Where?' }] }] },
    generations: [
      {
        item: 0,
        itemId: 'i',
        column: 0,
        status: 'succeeded',
        text: '',
        toolCalls: [call],
        structured: { city: 'Rome' },
        queueMs: 7,
      },
    ],
  };
  const { view } = createSampleBatch(1, 1);
  const show = (format: Parameters<typeof renderResults>[0]) =>
    join(renderResults(format, view, stream([result]), { width: 200 }));

  test.each(['md', 'table', 'html'] as const)('are shown by %s', async (format) => {
    expect((await show(format)).replaceAll('\\', '')).toMatch(/find_place.*city.*Rome/);
  });

  test('are in JSON lines and in CSV as they came', async () => {
    expect(JSON.parse(await show('jsonl'))).toMatchObject({ text: '', tool_calls: [call] });
    const [row] = parse(await show('csv'), { bom: true, columns: true }) as Record<string, string>[];
    expect(JSON.parse(row?.['tool_calls'] ?? '')).toEqual([call]);
    expect(row).toMatchObject({ number: '0', structured: '{"city":"Rome"}', queue_ms: '7' });
  });
});

test.each(['table', 'md'] as const)('a batch of the demo is told as one: %s', async (format) => {
  const { view, results } = createSampleBatch(1, 1);
  const page = (demo: boolean) => join(renderResults(format, { ...view, demo }, stream(results)));
  expect(await page(true)).toContain(' (demo answers cost nothing)');
  expect(await page(false)).not.toContain('demo answers');
});
