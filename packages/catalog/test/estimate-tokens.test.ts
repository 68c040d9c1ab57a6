import type { Message } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { estimateTokens } from '../src/index.ts';

const say = (text: string): Message[] => [{ role: 'user', content: [{ type: 'text', text }] }];

test('prose counts about a token for four bytes, more where the vendor counts more', () => {
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(100);
  expect(estimateTokens(say(text), 'openai')).toBe(Math.ceil(text.length / 4) + 4);
  expect(estimateTokens(say(text), 'anthropic')).toBe(text.length / 3 + 4);
  expect(estimateTokens(say('漢字'.repeat(100)), 'openai')).toBe(154);
});

test('every kind of part counts for something', () => {
  const parts: Message['content'] = [
    { type: 'reasoning', text: 'because it is so' },
    { type: 'tool_call', id: '1', name: 'look', arguments: { where: 'everywhere' } },
    { type: 'tool_result', toolCallId: '1', content: 'nothing was found' },
    { type: 'image', url: 'https://example.com/a.png' },
    { type: 'file', mediaType: 'application/pdf', data: 'AAAA' },
  ];
  const counts = parts.map((part) => estimateTokens([{ role: 'user', content: [part] }], 'google'));
  expect(Math.min(...counts)).toBeGreaterThan(6);
  expect(estimateTokens([], 'google')).toBe(0);
});
