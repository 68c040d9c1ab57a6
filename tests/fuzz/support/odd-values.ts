import fc from 'fast-check';

/** Texts that mean something to somebody on the way: to JavaScript, Redis, SQL, a shell, a browser, a file system. */
const telling = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\u202egnp.exe',
  '\ufeff',
  '\r\n',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'prototype',
  '../../../../etc/passwd',
  '..\\..\\windows',
  '/etc/passwd',
  'file:///etc/passwd',
  'https://',
  'data:image/png;base64,AAAA',
  'data:image/png;base64,%%%',
  '{aimm}:mistral:wait',
  '*',
  '?',
  '[a-z]*',
  'gen_*',
  'gen_0198c0de-0000-7000-8000-000000000001',
  'GEN_0198C0DE-0000-7000-8000-000000000001',
  'gen_0198c0de-0000-7000-8000-000000000001\n',
  'cmp_0198c0de-0000-7000-8000-000000000001',
  'bat_0198c0de-0000-7000-8000-000000000001',
  'conv_0198c0de-0000-7000-8000-000000000001',
  `conv_${'-'.repeat(36)}`,
  'x\r\nSET a b\r\n',
  "' OR 1=1 --",
  '%00',
  '%2e%2e%2f',
  '%',
  '%s%n',
  '{{7*7}}',
  '<script>alert(1)</script>',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  'null',
  'true',
  '0',
  '-1',
  '999999999',
  '9007199254740993',
  '2026-13-45',
  '0000-01-01',
  '9999-12-31T23:59:59Z',
  '-271821-04-20',
  '/',
  '//',
  'mistral/',
  '/mistral',
  'mistral/../openai/x',
  'openai/openai/openai',
  '(a+)+$',
];

export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...telling) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0xd800, max: 0xdfff }), { minLength: 1, maxLength: 5 })
      .map((codes) => String.fromCharCode(...codes)),
  },
  { weight: 1, arbitrary: fc.constantFrom(128, 129, 300, 301, 10_000, 200_000).map((length) => 'x'.repeat(length)) },
);

const oddNumber: fc.Arbitrary<number> = fc.constantFrom(
  0,
  -0,
  -1,
  0.5,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  1e308,
  5e-324,
);

/** Lists or objects inside each other. Built here, so that it stays below what the sender itself can write as JSON. */
function nest(depth: number, kind: 'list' | 'object'): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = kind === 'list' ? [value] : { a: value };
  return value;
}

/** An object whose own fields have the names of what every object inherits. */
export function withField(object: object, name: string, value: unknown): object {
  const copy = { ...object };
  Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: oddText },
  { weight: 3, arbitrary: oddNumber },
  { weight: 2, arbitrary: fc.constantFrom(null, true, false, [], {}, [[]], [null], [{}], { length: 3 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(10, 100, 1_000), fc.constantFrom('list' as const, 'object' as const))
      .map(([depth, kind]) => nest(depth, kind)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('__proto__', 'constructor', 'toString', 'then', 'toJSON'), oddText)
      .map(([name, value]) => withField({}, name, value)),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(11, 17, 101, 5_000).map((length) => Array.from({ length }, () => 'x')) },
);
