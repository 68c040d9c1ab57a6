import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toDifference } from '../src/report/client/difference.js';

fc.configureGlobal({ seed: 1 });

interface Run {
  kind: 'same' | 'added' | 'removed';
  text: string;
}
const difference = (base: string, text: string): Run[] | undefined => toDifference(base, text);

const join = (runs: readonly Run[], without: Run['kind']) =>
  runs.flatMap(({ kind, text }) => (kind === without ? [] : [text])).join('');

test('words that differ are marked, and all between two of them stands once', () => {
  expect(difference('The capital is Paris.', 'The big old capital is Lyon.')).toEqual([
    { kind: 'same', text: 'The ' },
    { kind: 'added', text: 'big old ' },
    { kind: 'same', text: 'capital is ' },
    { kind: 'removed', text: 'Paris' },
    { kind: 'added', text: 'Lyon' },
    { kind: 'same', text: '.' },
  ]);
  expect(difference('one two', 'three four')).toEqual([
    { kind: 'removed', text: 'one two' },
    { kind: 'added', text: 'three four' },
  ]);
  expect(difference('same', 'same')).toEqual([{ kind: 'same', text: 'same' }]);
});

test('both texts can be read off a difference', () => {
  const words = fc.array(fc.constantFrom('a', 'b', ' ', '\n', '北京', '. ', 'é🌍', '<b>'), { maxLength: 30 });
  fc.assert(
    fc.property(words, words, (left, right) => {
      const [base, text] = [left.join(''), right.join('')];
      const runs = difference(base, text) ?? [];
      expect(join(runs, 'removed')).toBe(text);
      expect(join(runs, 'added')).toBe(base);
    }),
  );
});

test('two long texts without likeness are not compared, two alike ones are', () => {
  const words = (start: string) => Array.from({ length: 3_000 }, (_, index) => `${start}${index}`).join(' ');
  expect(difference(words('a'), words('b'))).toBeUndefined();
  expect(difference(words('a'), `${words('a')} more`)).toHaveLength(2);
});
