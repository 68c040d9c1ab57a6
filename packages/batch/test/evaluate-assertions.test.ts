import { type Assertion, ModelManagerError } from '@aimm/contracts';
import { createAssertionChecks, evaluateAssertions, parseAssertion, toAssertionNames } from '@aimm/batch';
import { describe, expect, test } from 'vitest';

const checks = createAssertionChecks();
const evaluate = async (assertion: Assertion, answer: Parameters<typeof evaluateAssertions>[1] | string) => {
  const given = typeof answer === 'string' ? { text: answer } : answer;
  const [outcome] = await evaluateAssertions([assertion], given, checks);
  return outcome;
};

describe('what an answer is held against', () => {
  test.each<[Assertion, string, boolean]>([
    [{ type: 'contains', value: 'Paris' }, 'It is Paris.', true],
    [{ type: 'contains', value: 'paris' }, 'It is Paris.', false],
    [{ type: 'contains', value: 'paris', ignoreCase: true }, 'It is PARIS.', true],
    [{ type: 'contains', value: 'caf\u00E9' }, 'a cafe\u0301', true],
    [{ type: 'not_contains', value: 'sorry', ignoreCase: true }, 'Sorry, no.', false],
    [{ type: 'not_contains', value: 'sorry' }, 'Sorry, no.', true],
    [{ type: 'equals', value: '42' }, ' 42\n', true],
    [{ type: 'equals', value: '42' }, '42.', false],
    [{ type: 'equals', value: 'YES', ignoreCase: true }, 'yes', true],
    [{ type: 'regex', pattern: '^\\d{4}-\\d{2}$', flags: 'm' }, 'on\n2026-01\n', true],
    [{ type: 'regex', pattern: '^\\d{4}$' }, 'x 2026', false],
    [{ type: 'json_schema' }, '{"a": 1}', true],
    [{ type: 'json_schema' }, 'Sure! {"a": 1}', false],
    [{ type: 'json_schema', schema: { type: 'object', required: ['b'] } }, '{"a": 1}', false],
    [{ type: 'json_schema', schema: { type: 'object', required: ['a'] } }, '{"a": 1}', true],
    [{ type: 'similarity', value: 'kitten', threshold: 0.5 }, 'sitting', true],
    [{ type: 'similarity', value: 'kitten', threshold: 0.6 }, 'sitting', false],
  ])('%j of %j: %s', async (assertion, text, passed) => {
    const outcome = await evaluate(assertion, text);
    expect(outcome).toMatchObject({ name: assertion.type, passed });
    expect(outcome?.reason === undefined).toBe(passed);
  });

  test('a failure says why, and cuts what is long', async () => {
    expect((await evaluate({ type: 'equals', value: 'x'.repeat(500) }, 'y'))?.reason).toBe(
      `is "y", not "${'x'.repeat(80)}…"`,
    );
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    expect((await evaluate({ type: 'json_schema', schema }, '{"a": 1}'))?.reason).toBe('a: must be string');
  });

  test('a pattern that backtracks without end fails within moments', async () => {
    const startedAt = performance.now();
    const outcome = await evaluate({ type: 'regex', pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`);
    expect(outcome).toMatchObject({ passed: false, reason: 'the pattern "^(a+)+$" took longer than 100 ms' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await evaluate({ type: 'regex', pattern: 'b' }, 'abc')).toMatchObject({ passed: true });
  });

  test('the structured value counts where there is one', async () => {
    const schema = { type: 'array' };
    expect(await evaluate({ type: 'json_schema', schema }, { text: 'see below', structured: [1] })).toMatchObject({
      passed: true,
    });
  });

  test('likeness counts what a reader sees as one character, and long texts by their beginning', async () => {
    const assertion: Assertion = { type: 'similarity', value: '🌍🌍🌍🌍', threshold: 1 };
    expect((await evaluate(assertion, '🌍🌍🌍🌎'))?.score).toBe(0.75);
    expect((await evaluate({ ...assertion, value: '' }, ' '))?.score).toBe(1);
    const long = await evaluate(
      { type: 'similarity', value: 'ab'.repeat(50_000), threshold: 0.9 },
      'ab'.repeat(60_000),
    );
    expect(long).toMatchObject({ passed: true, score: 1, reason: 'only the first 10,000 characters were compared' });
  });

  test('bounds on cost and time hold only where both are known', async () => {
    const cost: Assertion = { type: 'max_cost', nanoUsd: 1_000 };
    expect(await evaluate(cost, { text: '', costNanoUsd: 1_000 })).toMatchObject({ passed: true });
    expect((await evaluate(cost, { text: '', costNanoUsd: 1_001 }))?.reason).toBe(
      'cost $0.000001001, more than $0.000001',
    );
    expect((await evaluate(cost, { text: '', costNanoUsd: null }))?.reason).toBe('the price is unknown');
    const latency: Assertion = { type: 'max_latency', ms: 100 };
    expect(await evaluate(latency, { text: '', providerMs: 99.5 })).toMatchObject({ passed: true });
    expect((await evaluate(latency, { text: '', providerMs: 100.5 }))?.reason).toBe('took 101 ms, more than 100 ms');
    expect((await evaluate(latency, { text: '' }))?.reason).toBe('its time is unknown');
  });

  test('two of one type have names of their own', () => {
    const names = toAssertionNames([
      { type: 'contains' },
      { type: 'contains' },
      { type: 'regex', name: 'contains 2' },
      { type: 'regex', name: 'a date' },
    ]);
    expect(names).toEqual(['contains', 'contains 2', 'contains 2 2', 'a date']);
  });
});

describe('as users write them', () => {
  test.each<[unknown, Assertion]>([
    [
      { type: 'contains', value: 'x', ignore_case: true },
      { type: 'contains', value: 'x', ignoreCase: true },
    ],
    [
      { type: 'icontains', value: 'x' },
      { type: 'contains', value: 'x', ignoreCase: true },
    ],
    [
      { type: 'not-contains', value: 'x', name: 'clean' },
      { type: 'not_contains', value: 'x', name: 'clean' },
    ],
    [
      { type: 'regex', value: 'a+' },
      { type: 'regex', pattern: 'a+' },
    ],
    [
      { type: 'max_cost', usd: 0.0015 },
      { type: 'max_cost', nanoUsd: 1_500_000 },
    ],
    [
      { type: 'cost', threshold: 0.0015 },
      { type: 'max_cost', nanoUsd: 1_500_000 },
    ],
    [
      { type: 'latency', threshold: 500 },
      { type: 'max_latency', ms: 500 },
    ],
    [
      { type: 'similarity', value: 'x' },
      { type: 'similarity', value: 'x', threshold: 0.8 },
    ],
    [
      { type: 'is-json', value: { type: 'array' } },
      { type: 'json_schema', schema: { type: 'array' } },
    ],
    ['contains: two words: here', { type: 'contains', value: 'two words: here' }],
    ['not-icontains:x', { type: 'not_contains', value: 'x', ignoreCase: true }],
    ['regex: ^a{2}$', { type: 'regex', pattern: '^a{2}$' }],
    ['is-json', { type: 'json_schema' }],
    ['is-json: {"type": "array"}', { type: 'json_schema', schema: { type: 'array' } }],
    ['similar(0.7): a text', { type: 'similarity', value: 'a text', threshold: 0.7 }],
    ['max_cost: 0.25', { type: 'max_cost', nanoUsd: 250_000_000 }],
    ['latency(2000)', { type: 'max_latency', ms: 2_000 }],
  ])('%j', (written, assertion) => {
    expect(parseAssertion(written)).toEqual(assertion);
  });

  test.each<[unknown, RegExp]>([
    ['Paris', /expected "type: value", as in "contains: Paris"/],
    ['llm-rubric: is kind', /got "llm-rubric".*give the batch a judge/],
    [{ type: 'contain', value: 'x' }, /type: expected contains, .*got "contain"/],
    [{ value: 'x' }, /type: expected contains/],
    [{ type: 'contains' }, /value: required/],
    [{ type: 'contains', value: 'x', ignoreCase: true }, /ignoreCase: unknown field/],
    [{ type: 'similarity', value: 'x', threshold: 80 }, /threshold: expected at most 1/],
    [{ type: 'regex', pattern: '(?i)x' }, /pattern: is no regular expression.*"flags": "i"/],
    [{ type: 'regex', pattern: 'x', flags: 'g' }, /flags: expected none but i, m, s, u, v/],
    ['is-json: {', /schema: expected an object/],
    ['cost(x)', /expected "type: value"/],
    ['cost: high', /usd: expected a number, got the text "high"/],
    ['max_latency: ', /ms: required\. Expected a number/],
    ['cost(99999999)', /usd: expected at most 1000000; got the number 99999999/],
    [{ type: 'contains', value: 'x', name: '\0\0' }, /name: expected other characters than U\+0000/],
    [{ type: 'contains', value: 'x', name: '' }, /name: must not be empty; got the text ""\.$/],
    [{ type: 'regex', pattern: 'a*\0*' }, /pattern: holds U\+0000 as it is: write \\0/],
    [{ type: 'regex', pattern: '[\uD800-\uE000]' }, /pattern: holds half a character: write \\uD800/],
    [7, /expected an object such as/],
  ])('%j is refused with what is expected', (written, message) => {
    expect(() => parseAssertion(written)).toThrow(ModelManagerError);
    expect(() => parseAssertion(written)).toThrow(message);
  });
});
