import type { GenerationSettings, Message } from '@aimm/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderKind } from '../src/index.ts';
import { ask, createTestProvider, patient } from './support/providers.ts';
import { type Received, sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());

async function send(kind: ProviderKind, messages: string | Message[], settings: GenerationSettings) {
  const counts = { input: 1, output: 1, cacheRead: 0, reasoning: 0 };
  vendor.answer = sendEvents(wires[kind].contentType, wires[kind].text(['ok'], counts));
  const { warnings } = await createTestProvider(kind, vendor.url).generate(ask(messages, settings), patient());
  // The body as it came over the wire.
  return { body: (vendor.received.at(-1) as Received).body as Record<string, unknown>, warnings };
}

const tools = ['weather', 'time'].map((name) => ({ name, parameters: { type: 'object', properties: {} } }));
const talk: Message[] = [
  { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
  { role: 'user', content: [{ type: 'text', text: 'One?' }] },
  { role: 'assistant', content: [{ type: 'text', text: 'Two.' }] },
  { role: 'user', content: [{ type: 'text', text: 'Three?' }] },
];

describe('a hint to keep the prompt’s beginning', () => {
  test.each([
    ['auto', { type: 'ephemeral' }],
    ['5m', { type: 'ephemeral', ttl: '5m' }],
    ['1h', { type: 'ephemeral', ttl: '1h' }],
  ] as const)('anthropic: %s marks tools, system prompt and last turn, once each', async (promptCache, mark) => {
    const { body, warnings } = await send('anthropic', talk, { promptCache, tools });
    expect(body).toMatchObject({
      system: [{ type: 'text', text: 'Be brief.', cache_control: mark }],
      tools: [{ name: 'weather' }, { name: 'time', cache_control: mark }],
    });
    expect((body['messages'] as unknown[]).at(-1)).toEqual({
      role: 'user',
      content: [{ type: 'text', text: 'Three?', cache_control: mark }],
    });
    expect(JSON.stringify(body).match(/cache_control/g)).toHaveLength(3);
    expect(warnings).toEqual([]);
  });

  test('anthropic: nothing is kept unasked', async () => {
    for (const settings of [{}, { promptCache: 'off' as const }]) {
      const { body, warnings } = await send('anthropic', talk, settings);
      expect(JSON.stringify(body)).not.toContain('cache_control');
      expect(warnings).toEqual([]);
    }
  });

  test.each(['openai', 'mistral'] as const)('%s: requests that begin alike share a key', async (kind) => {
    const keyOf = async (text: string, system: string) => {
      const messages: Message[] = [
        { role: 'system', content: [{ type: 'text', text: system }] },
        { role: 'user', content: [{ type: 'text', text }] },
      ];
      return (await send(kind, messages, { promptCache: 'auto' })).body['prompt_cache_key'];
    };
    const first = await keyOf('One?', 'Be brief.');
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(await keyOf('Two?', 'Be brief.')).toBe(first);
    expect(await keyOf('One?', 'Be long.')).not.toBe(first);
  });

  test('openai: for how long is not taken, and said', async () => {
    const { body, warnings } = await send('openai', talk, { promptCache: '1h' });
    expect(body).toHaveProperty('prompt_cache_key');
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'promptCache' })]);
  });

  test.each([
    ['google', 'auto'],
    ['ollama', '5m'],
    ['openai-compatible', 'auto'],
    ['openai', 'off'],
  ] as const)('%s cannot honour %s, and says so', async (kind, promptCache) => {
    const { body, warnings } = await send(kind, talk, { promptCache });
    expect(JSON.stringify(body)).not.toMatch(/cache/);
    expect(warnings).toEqual([expect.objectContaining({ code: 'unsupported_setting', setting: 'promptCache' })]);
  });
});
