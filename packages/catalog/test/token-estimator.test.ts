import { readFileSync } from 'node:fs';
import type { Message } from '@aimm/contracts';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTokenEstimator, estimateTokens } from '../src/index.ts';

const say = (text: string): Message[] => [{ role: 'user', content: [{ type: 'text', text }] }];
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
    const text = prose.slice(0, 20_000);
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

  test('a long text is sampled, and the guess stays within a tenth', () => {
    const long = prose.repeat(20);
    const exact = countTokens(long);
    const guess = estimator.estimate(say(long), 'openai');
    expect(Math.abs(guess - exact) / exact).toBeLessThan(0.1);
  });

  // The tokenizer itself takes seconds for these.
  test.each([
    ['one letter', 'a'.repeat(1_000_000)],
    ['Chinese', '漢字仮名交文'.repeat(100_000)],
    ['base64', Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251)).toString('base64')],
  ])('text without any space (%s) does not hold the process', (_name, text) => {
    const startedAt = performance.now();
    estimator.estimate(say(text), 'openai');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
