import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { layOutColumns } from '../src/comparison/columns.ts';

const column = (title: string, text: string, status = 'writing') => ({ title, status, text });

describe('columns', () => {
  it('stand side by side, wrapped at words', () => {
    const lines = layOutColumns([column('a/one', 'the quick brown fox jumps over'), column('b/two', 'short')], {
      width: 55,
    });
    expect(lines).toEqual([
      'a/one                      │ b/two',
      'writing                    │ writing',
      'the quick brown fox jumps  │ short',
      'over                       │',
    ]);
  });

  it('measure wide characters as the terminal shows them', () => {
    const [, , first = '', second = ''] = layOutColumns([column('a', '日本語'.repeat(6)), column('b', 'x')], {
      width: 51,
    });
    expect(first).toBe('日本語日本語日本語日本語 │ x');
    expect(second).toBe('日本語日本語             │');
  });

  it('stand in rows where the terminal is too narrow, and show the newest lines where it is too low', () => {
    const three = ['a', 'b', 'c'].map((title) => column(title, 'one\ntwo\nthree\nfour'));
    expect(layOutColumns(three, { width: 30 }).filter((line) => line === '')).toHaveLength(2);
    const low = layOutColumns(three.slice(0, 2), { width: 60, height: 4 });
    expect(low.map((line) => line.split(' │ ')[0]?.trim())).toEqual(['a', 'writing', 'three', 'four']);
  });

  it('never are wider or higher than the terminal, whatever the texts are', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 200 }).map((raw) => raw.replaceAll(/\p{C}/gu, ' '));
    const columns = fc.array(fc.record({ title: text, status: text, text }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(columns, fc.integer({ min: 10, max: 120 }), fc.integer({ min: 2, max: 40 }), (all, width, height) => {
        const lines = layOutColumns(all, { width, height });
        expect(lines.length).toBeLessThanOrEqual(height);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 150, seed: 7 },
    );
  });
});
