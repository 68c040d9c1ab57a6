import type { GenerationSettings, Message, ModelInfo } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { estimateComplexity } from '../src/complexity.ts';
import { fits, toNeeds } from '../src/model-needs.ts';
import { type Candidate, findUnmeasured, rankModels } from '../src/rank-models.ts';

const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const estimate = (text: string, settings: GenerationSettings = {}) => estimateComplexity([user(text)], settings);
const tool = { name: 'search', parameters: {} };

describe('the estimate of a task', () => {
  test.each([
    ['Translate "good morning" into French.', {}, 'small'],
    ['What is the capital of Peru?', {}, 'small'],
    ['Analyze the trade-offs of both designs. ```ts\nconst a = 1;\n```', {}, 'medium'],
    ['Which city?', { tools: [tool], responseFormat: { type: 'json_schema', schema: {} } }, 'medium'],
    ['Refactor this: ```js\nfunction a() {}\n``` and prove step by step that it is right.', {}, 'large'],
    ['Hello', { reasoningEffort: 'xhigh' }, 'large'],
    [`Prove the theorem. ${'word '.repeat(9_000)}`, {}, 'large'],
  ] as const)('%s', (text, settings, tier) => {
    // The table is read-only, requests are not.
    expect(estimate(text, settings as GenerationSettings).tier).toBe(tier);
  });

  test('says what weighed most, and its score is the sum of what stands in the table', () => {
    const long = 'word '.repeat(300);
    expect(estimate(`Please debug this. ${long}`, { tools: [tool], maxOutputTokens: 8_000 })).toEqual({
      score: 6,
      tier: 'large',
      reasons: ['design', '1 tool', 'some context', 'a long answer'],
    });
    expect(estimate('Hi')).toEqual({ score: 0, tier: 'small', reasons: ['a short prompt'] });
  });

  test('is not below nothing, and looks at the last question only', () => {
    expect(estimate('Hi', { reasoningEffort: 'none' })).toMatchObject({ score: 0, tier: 'small' });
    const answer: Message = { role: 'assistant', content: [{ type: 'text', text: 'done' }] };
    expect(estimateComplexity([user('Prove it.'), answer, user('Thanks!')], {}).score).toBe(0);
  });

  test('takes milliseconds for any prompt', () => {
    const startedAt = performance.now();
    estimate('import '.repeat(200_000));
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  test.each([
    ['SELECT, then FROM', 'SELECT '.repeat(200) + ' FROM'.repeat(520)],
    ['SELECT a FROM', 'SELECT a FROM '.repeat(285)],
    ['SELECT', 'SELECT '.repeat(571)],
    ['one long word', 'a'.repeat(4_000)],
  ])('is not held up by what nearly looks like code: %s, again and again', (_words, text) => {
    const startedAt = performance.now();
    expect(estimate(text).reasons).not.toContain('code');
    expect(performance.now() - startedAt).toBeLessThan(100);
  });

  test.each(['SELECT name FROM users;', 'select a, b from c where d = 1', 'what does src/main.ts do?'])(
    'takes for code: %s',
    (text) => {
      expect(estimate(text).reasons).toContain('code');
    },
  );
});

describe('a model takes a request', () => {
  const info = (given: Partial<ModelInfo>): ModelInfo => ({ provider: 'p', id: 'm', source: 'catalog', ...given });
  const image: Message = { role: 'user', content: [{ type: 'image', url: 'https://example.org/a.png' }] };
  const file: Message = { role: 'user', content: [{ type: 'file', data: '', mediaType: 'application/pdf' }] };
  const takes = (given: Partial<ModelInfo>, messages: Message[], settings: GenerationSettings = {}) =>
    fits(info(given), 'openai', toNeeds(messages, settings));

  test('with what it can', () => {
    const text = { capabilities: ['text' as const] };
    expect(takes(text, [user('hi')])).toBe(true);
    expect([takes(text, [image]), takes({ capabilities: ['images'] }, [image])]).toEqual([false, true]);
    expect([takes(text, [file]), takes({ capabilities: ['files'] }, [file])]).toEqual([false, true]);
    expect([
      takes(text, [user('')], { tools: [tool] }),
      takes({ capabilities: ['tools'] }, [user('')], { tools: [tool] }),
    ]).toEqual([false, true]);
    const schema = { responseFormat: { type: 'json_schema' as const, schema: {} } };
    expect([takes(text, [user('')], schema), takes({ capabilities: ['json'] }, [user('')], schema)]).toEqual([
      false,
      true,
    ]);
  });

  test('that has room for the prompt and the answer', () => {
    const long = [user('word '.repeat(1_000))];
    expect(takes({ contextWindow: 1_000 }, long)).toBe(false);
    expect(takes({ contextWindow: 2_000 }, long)).toBe(true);
    expect(takes({ contextWindow: 2_000 }, long, { maxOutputTokens: 1_000 })).toBe(false);
    expect(takes({ maxOutputTokens: 500 }, long, { maxOutputTokens: 1_000 })).toBe(false);
  });

  test('of which nothing is known', () => {
    expect(fits(undefined, 'openai', toNeeds([image], {}))).toBe(true);
    expect(takes({}, [image], { tools: [tool] })).toBe(true);
  });
});

describe('candidates', () => {
  const names = (list: readonly Candidate[]) => list.map(({ name }) => name).join('');
  const one = (name: string, costNanoUsd?: number, expectedMs?: number, isAside = false): Candidate => ({
    name,
    costNanoUsd,
    expectedMs,
    isAside,
  });

  test('are ranked by cost, unknown prices last, and by time, unmeasured ones last; ties as configured', () => {
    const list = [one('a', 5, 300), one('b'), one('c', 1, 100), one('d', 1, 200)];
    expect(names(rankModels(list, 'cheapest'))).toBe('cdab');
    expect(names(rankModels(list, 'fastest'))).toBe('cdab');
    expect(names(rankModels([one('x'), one('y')], 'fastest'))).toBe('xy');
  });

  test('that are set aside come last whatever they cost', () => {
    expect(names(rankModels([one('a', 1, 1, true), one('b', 9, 9)], 'cheapest'))).toBe('ba');
  });

  test('balance cost and time', () => {
    const list = [one('dear and fast', 100, 100), one('cheap and slow', 1, 1_000), one('both middling', 30, 300)];
    expect(rankModels(list, 'balanced')[0]?.name).toBe('both middling');
    // Without any time only the cost is left.
    expect(names(rankModels([one('a', 2), one('b', 1)], 'balanced'))).toBe('ba');
  });

  test('without a time are tried at every twentieth choice, in turn', () => {
    const list = [one('a', 1, 100), one('b'), one('c'), one('d', 1, undefined, true)];
    const tried = Array.from({ length: 80 }, (_, choice) => findUnmeasured(list, choice)?.name).flatMap((name, index) =>
      name === undefined ? [] : [`${index}${name}`],
    );
    expect(tried).toEqual(['19b', '39c', '59b', '79c']);
    expect(findUnmeasured([one('a'), one('b')], 19)).toBeUndefined();
  });
});
