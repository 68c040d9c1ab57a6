import type { Message, MessagePart, ToolDefinition } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { estimateTokens, providerKinds } from '../src/index.ts';

const say = (text: string): { messages: Message[] } => ({
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
});
const show = (part: MessagePart): { messages: Message[] } => ({ messages: [{ role: 'user', content: [part] }] });

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
  const counts = parts.map((part) => estimateTokens(show(part), 'google'));
  expect(Math.min(...counts)).toBeGreaterThan(6);
  expect(estimateTokens({ messages: [] }, 'google')).toBe(0);
});

describe('a whole request', () => {
  const tool = (name: string): ToolDefinition => ({
    name,
    description: 'Tells the weather of a city, today and for some days to come.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  });

  test.each(providerKinds)('%s: tools and a schema count beside what is said', (kind) => {
    const plain = estimateTokens(say('hello'), kind);
    const one = estimateTokens({ ...say('hello'), settings: { tools: [tool('weather')] } }, kind);
    const two = estimateTokens({ ...say('hello'), settings: { tools: [tool('weather'), tool('climate')] } }, kind);
    expect(one).toBeGreaterThan(plain + 40);
    // What comes with the first tool comes once.
    expect(two - one).toBeLessThanOrEqual(one - plain);
    const schema = { type: 'object', properties: Object.fromEntries('abcdefgh'.split('').map((key) => [key, {}])) };
    const responseFormat = { type: 'json_schema' as const, schema };
    expect(estimateTokens({ ...say('hello'), settings: { responseFormat } }, kind)).toBeGreaterThan(plain + 10);
    expect(estimateTokens({ ...say('hello'), settings: { responseFormat: { type: 'json' } } }, kind)).toBe(plain);
  });

  test.each(providerKinds)('%s: an image counts as a large one, however it is given', (kind) => {
    const data = estimateTokens(show({ type: 'image', data: 'A'.repeat(1_000_000), mediaType: 'image/png' }), kind);
    expect(estimateTokens(show({ type: 'image', url: 'https://example.com/a.png' }), kind)).toBe(data);
    expect(data).toBeGreaterThan(1_000);
    expect(data).toBeLessThan(3_100);
  });

  test('a file of text counts as its text, another by its size', () => {
    const text = 'some words of it '.repeat(1_000);
    const base64 = Buffer.from(text).toString('base64');
    const asText = estimateTokens(show({ type: 'file', mediaType: 'text/plain', data: base64 }), 'openai');
    expect(asText).toBe(estimateTokens(say(text), 'openai'));
    const pdf = (bytes: number) =>
      estimateTokens(
        show({ type: 'file', mediaType: 'application/pdf', data: Buffer.alloc(bytes).toString('base64') }),
        'openai',
      );
    expect(pdf(10_000)).toBe(2_000 + 4);
    expect(pdf(490_000)).toBe(20_000 + 4);
    expect(
      estimateTokens(show({ type: 'file', mediaType: 'application/pdf', url: 'https://example.com/a.pdf' }), 'openai'),
    ).toBe(6_000 + 4);
  });
});
