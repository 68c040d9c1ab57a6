import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLineSplitter } from '../src/transports/split-lines.ts';

async function split(chunks: string[], maxLineBytes = 100) {
  const oversized: string[] = [];
  const splitter = createLineSplitter({ maxLineBytes, onOversized: (tail) => oversized.push(tail) });
  const lines: string[] = [];
  for await (const chunk of Readable.from(chunks.map((text) => Buffer.from(text))).pipe(splitter))
    lines.push(String(chunk));
  return { lines, oversized };
}

it('lines come whole, however the pipe cut them', async () => {
  expect((await split(['{"a', '":1}\n{"b":2}\n{"c"', ':3', '}\n', 'rest'])).lines).toEqual([
    '{"a":1}\n',
    '{"b":2}\n',
    '{"c":3}\n',
    'rest',
  ]);
});

it('a character cut in two comes whole', async () => {
  const bytes = Buffer.from('€\n');
  const splitter = createLineSplitter({ maxLineBytes: 9, onOversized: () => undefined });
  const lines: string[] = [];
  for await (const chunk of Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]).pipe(splitter))
    lines.push(String(chunk));
  expect(lines).toEqual(['€\n']);
});

it('a line above the limit is left out, and the next one is not', async () => {
  const { lines, oversized } = await split([`{"x":"${'y'.repeat(60)}`, `${'y'.repeat(60)}","id`, '":7}\n{"b":2}\n']);
  expect(lines).toEqual(['{"b":2}\n']);
  expect(oversized).toHaveLength(1);
  expect(oversized[0]).toMatch(/y","id":7\}\n$/);
});
