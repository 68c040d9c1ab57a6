import { readFileSync } from 'node:fs';
import type { Message } from '@aimm/contracts';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTokenEstimator, estimateTokens } from '../src/index.ts';

const say = (text: string): { messages: Message[] } => ({
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
});
// Without its tables: no language has rows of a hundred dashes.
const prose = readFileSync(new URL('../../../docs/architecture.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => !line.startsWith('|'))
  .join('\n');
const estimator = createTokenEstimator();

test('before the vocabulary is there an estimate is made all the same, by bytes', () => {
  const fresh = createTokenEstimator();
  expect(fresh.estimate(say(prose), 'openai')).toBe(estimateTokens(say(prose), 'openai'));
});

describe('with the vocabulary', () => {
  beforeAll(() => estimator.load());
  const perMessage = 4;

  test('OpenAI’s tokens are counted as OpenAI does', () => {
    const text = prose.slice(0, 6_000);
    expect(estimator.estimate(say(text), 'openai')).toBe(countTokens(text) + perMessage);
  });

  test('other vendors’ are scaled, never below OpenAI’s', () => {
    const own = estimator.estimate(say(prose), 'openai');
    for (const kind of ['anthropic', 'google', 'mistral', 'ollama', 'openai-compatible']) {
      const other = estimator.estimate(say(prose), kind);
      expect(other).toBeGreaterThan(own);
      expect(other).toBeLessThan(own * 1.4);
    }
  });

  test.each([
    ['a control token', 'before <|endoftext|> after'],
    ['nothing', ''],
    ['half a character', '\uD83D'],
  ])('%s in the text is counted as text', (_name, text) => {
    expect(estimator.estimate(say(text), 'openai')).toBeGreaterThanOrEqual(perMessage);
  });

  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  test.each([
    ['prose', prose.repeat(20)],
    ['prose with tables', read('docs/configuration.md')],
    ['code', read('packages/catalog/src/merge-models.ts').repeat(3)],
    ['JSON', read('config/models.json')],
    ['one half Chinese, one half English', prose + '漢字仮名交文、これはテストです。'.repeat(1_500)],
  ])('a long text (%s) is sampled, and the guess stays within a sixth', (_name, long) => {
    const exact = countTokens(long);
    const guess = estimator.estimate(say(long), 'openai');
    expect(Math.abs(guess - exact) / exact).toBeLessThan(1 / 6);
  });

  test('many small parts are sampled together', () => {
    const content = prose.split(/(?<=\. )/).map((text) => ({ type: 'text' as const, text }));
    const exact = countTokens(prose);
    const guess = estimator.estimate({ messages: [{ role: 'user', content }] }, 'openai');
    expect(Math.abs(guess - exact) / exact).toBeLessThan(1 / 6);
  });

  test('what a model wrote is counted like what it reads', () => {
    expect(estimator.estimateText('It is so.', 'openai')).toBe(countTokens('It is so.'));
    expect(estimator.estimateText('', 'openai')).toBe(0);
  });

  // Milliseconds on a quiet machine: 1.5 for 10 kB, 3 for a megabyte; here a hundred of them, on whichever machine.
  test('is fast enough to be made before every call', () => {
    const prompts = Array.from({ length: 100 }, (_, index) => say(`${index} ${prose.slice(index * 50, 10_000)}`));
    const startedAt = performance.now();
    for (const prompt of prompts) estimator.estimate(prompt, 'openai');
    expect((performance.now() - startedAt) / prompts.length).toBeLessThan(10);
  });

  // The tokenizer itself takes seconds for these.
  test.each([
    ['one letter', 'a'.repeat(1_000_000)],
    ['Chinese', '漢字仮名交文'.repeat(100_000)],
    ['base64', Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251)).toString('base64')],
  ])('text without any space (%s) does not hold the process', (_name, text) => {
    const tookMs = [1, 2, 3].map((number) => {
      const startedAt = performance.now();
      estimator.estimate(say(`${text}${number}`), 'openai');
      return performance.now() - startedAt;
    });
    expect(Math.min(...tookMs)).toBeLessThan(100);
  });
});
