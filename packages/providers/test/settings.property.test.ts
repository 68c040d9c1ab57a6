import {
  GenerationRequest,
  type GenerationSettings,
  type JsonObject,
  type Message,
  type Warning,
} from '@aimm/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ProviderKind, providerKinds } from '../src/index.ts';
import { createTestProvider, modelInfo, patient } from './support/providers.ts';
import { sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

// An SDK's first call loads it, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const kinds = Object.keys(providerKinds) as ProviderKind[];
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const base64 = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const json = fc.dictionary(word, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)), { maxKeys: 3 });
const schema: fc.Arbitrary<JsonObject> = fc
  .dictionary(word, fc.constantFrom({ type: 'string' }, { type: 'integer' }), { maxKeys: 3 })
  .map((properties) => ({ type: 'object', properties, required: Object.keys(properties) }));

const text = fc.record({ type: fc.constant('text' as const), text: fc.string() });
const media = fc.oneof(
  fc.record({ data: base64, mediaType: fc.constantFrom('image/png', 'image/tiff', 'application/pdf', 'text/plain') }),
  fc.record({
    url: fc.constantFrom('https://example.com/a.png', 'data:image/png;base64,aGk=', 'data:nonsense'),
    mediaType: fc.constant('image/png'),
  }),
);
const image = media.map((given) => ({ type: 'image' as const, ...given }));
const file = fc
  .record({ given: media, filename: word })
  .map(({ given, filename }) => ({ type: 'file' as const, filename, ...given }));
const result = fc.record(
  {
    type: fc.constant('tool_result' as const),
    toolCallId: word,
    content: fc.string(),
    name: word,
    isError: fc.boolean(),
  },
  { requiredKeys: ['type', 'toolCallId', 'content'] },
);
const call = fc.record({ type: fc.constant('tool_call' as const), id: word, name: word, arguments: json });
const thought = fc.record(
  { type: fc.constant('reasoning' as const), text: fc.string(), signature: word },
  { requiredKeys: ['type', 'text'] },
);
const some = <T>(part: fc.Arbitrary<T>) => fc.array(part, { minLength: 1, maxLength: 3 });
const message = fc.oneof(
  fc.record({ role: fc.constant('system' as const), content: some(text) }),
  fc.record({ role: fc.constant('user' as const), content: some(fc.oneof(text, image, file, result)) }),
  fc.record({ role: fc.constant('assistant' as const), content: some(fc.oneof(text, thought, call)) }),
);
/** A prompt of nothing is refused before it goes out, which has its own test. */
const saysAnything = (messages: Message[]): boolean =>
  messages.some(({ content }) =>
    content.some((part) => part.type !== 'reasoning' && !('text' in part && !part.text.trim())),
  );
const settings = fc.record<GenerationSettings, never>(
  {
    maxOutputTokens: fc.integer({ min: 1, max: 4000 }),
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    topP: fc.double({ min: 0, max: 1, noNaN: true }),
    topK: fc.integer({ min: 1, max: 100 }),
    stop: fc.array(word, { minLength: 1, maxLength: 16 }),
    seed: fc.integer(),
    presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    responseFormat: fc.oneof(
      fc.constant({ type: 'json' as const }),
      fc.record({ type: fc.constant('json_schema' as const), schema }),
    ),
    reasoningEffort: fc.constantFrom('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'),
    tools: some(fc.record({ name: word, parameters: schema })),
    toolChoice: fc.oneof(fc.constantFrom('none' as const, 'required' as const), fc.record({ name: word })),
    serviceTier: fc.constantFrom('auto', 'flex', 'priority', 'standard_only', 'odd'),
    userId: word,
    promptCache: fc.constantFrom('off', 'auto', '5m', '1h'),
  },
  { requiredKeys: [] },
);
const quirks = fc.record(
  {
    unsupported: fc.subarray(['temperature', 'stop', 'reasoningEffort', 'not-a-setting']),
    onlyWithoutReasoning: fc.subarray(['temperature', 'topP']),
    reasoningEfforts: fc.subarray(['none', 'low', 'high'] as const),
    reasoningStyle: fc.constantFrom('effort' as const, 'budget' as const, 'switch' as const),
    apiVersion: fc.constant('2023-06-01'),
    forcedToolChoice: fc.boolean(),
    reasoningOff: fc.constantFrom('disabled' as const, 'between_tools' as const),
    reasoningSummary: fc.constantFrom('auto' as const, 'concise' as const),
  },
  { requiredKeys: [] },
);

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());

describe.each(kinds)('%s', (kind) => {
  test('every request that our contract allows goes out, and every setting is on the wire or in a warning', async () => {
    vendor.answer = sendEvents(
      wires[kind].contentType,
      wires[kind].text(['ok'], { input: 1, output: 1, cacheRead: 0, reasoning: 0 }),
    );
    await fc.assert(
      fc.asyncProperty(some(message).filter(saysAnything), settings, quirks, async (messages, asked, modelQuirks) => {
        const provider = createTestProvider(kind, vendor.url, {
          describeModel: () => modelInfo(kind, { quirks: modelQuirks }),
        });
        const send = async (given: GenerationSettings): Promise<{ body: string; warnings: Warning[] }> => {
          const request = GenerationRequest.parse({ model: 'm-1', messages, settings: given });
          const { warnings } = await provider.generate(request, patient());
          return { body: JSON.stringify(vendor.received.at(-1)?.body), warnings };
        };
        const whole = await send(asked);
        for (const name of Object.keys(asked) as (keyof GenerationSettings)[]) {
          if (whole.warnings.some(({ setting }) => setting === name)) continue;
          // Ollama is told to call no tool by not being told of any.
          if (kind === 'ollama' && name === 'tools' && asked.toolChoice === 'none') continue;
          // Nothing is kept unless it is asked for: not asking leaves no trace.
          if (name === 'promptCache' && asked.promptCache === 'off') continue;
          const { [name]: _left, ...others } = asked;
          expect((await send(others)).body, `${name} left no trace in ${whole.body}`).not.toBe(whole.body);
        }
      }),
      { numRuns: 30, seed: 1 },
    );
  });
});
