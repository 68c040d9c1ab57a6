import {
  GenerationRequest,
  type GenerationSettings,
  type JsonObject,
  type Message,
  type MessagePart,
  type ModelQuirks,
  type Warning,
} from '@aimm/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds } from '../src/index.ts';
import { createTestProvider, modelInfo, patient } from './support/providers.ts';
import { sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
/** Others each day; a failure prints the seed. */
const { FUZZ_SEED: seedGiven, FUZZ_INPUTS: inputs } = process.env;
const seed = Number(seedGiven ?? (inputs === undefined ? Math.floor(Date.now() / 86_400_000) : Date.now() % 1_000_000));
/** A hundredth of what the fuzzing takes: each is sent many times over. */
const runs = inputs === undefined ? 60 : Math.max(60, Math.round(Number(inputs) / 100));
const timeout = 500 * runs;
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const base64 = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const json = fc.dictionary(word, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)), { maxKeys: 3 });
const schema: fc.Arbitrary<JsonObject> = fc
  .dictionary(word, fc.constantFrom({ type: 'string' }, { type: 'integer' }), { maxKeys: 3 })
  .map((properties) => ({ type: 'object', properties, required: Object.keys(properties) }));

const said = fc.string({ unit: 'grapheme' });
const text = fc.record({ type: fc.constant('text' as const), text: said });
const media = fc.oneof(
  fc.record({ data: base64, mediaType: fc.constantFrom('image/png', 'image/tiff', 'application/pdf', 'text/plain') }),
  fc.record({
    url: fc.constantFrom('https://example.com/a.png', 'data:image/png;base64,aGk=', 'data:nonsense'),
    mediaType: fc.constant('image/png'),
  }),
);
const image = fc
  .oneof(media, fc.record({ url: fc.constant('https://example.com/b.png') }), fc.constant({}))
  .map((given) => ({ type: 'image' as const, ...given }));
const file = fc
  .record({ given: media, filename: word })
  .map(({ given, filename }) => ({ type: 'file' as const, filename, ...given }));
const result = fc.record(
  {
    type: fc.constant('tool_result' as const),
    toolCallId: word,
    content: said,
    name: word,
    isError: fc.boolean(),
  },
  { requiredKeys: ['type', 'toolCallId', 'content'] },
);
/** What vendors kept with a call, of this wire or another. */
const vendors: JsonObject = {
  anthropic: { thinking: [{ type: 'thinking', thinking: 'hmm', signature: 's' }] },
  openai: { reasoning: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' }] },
  google: { thoughtSignature: 'c2ln' },
};
const kept = fc
  .subarray(Object.keys(vendors))
  .map((names): JsonObject => Object.fromEntries(names.map((name) => [name, vendors[name] ?? null])));
const call = fc.record(
  { type: fc.constant('tool_call' as const), id: word, name: word, arguments: json, vendor: kept },
  { requiredKeys: ['type', 'id', 'name', 'arguments'] },
);
const thought = fc.record(
  { type: fc.constant('reasoning' as const), text: said, signature: word, vendor: json },
  { requiredKeys: ['type', 'text'] },
);
const some = <T>(part: fc.Arbitrary<T>) => fc.array(part, { minLength: 1, maxLength: 3 });
const anything = fc.oneof(text, image, file, result, call, thought);
const message = fc.oneof(
  fc.record({
    role: fc.constantFrom('system' as const, 'user' as const, 'assistant' as const),
    content: some(anything),
  }),
  fc.record({ role: fc.constant('system' as const), content: some(text) }),
  fc.record({ role: fc.constant('user' as const), content: some(fc.oneof(text, image, file, result)) }),
  fc.record({ role: fc.constant('assistant' as const), content: some(fc.oneof(text, thought, call)) }),
);
/** What a role may hold, by the contract. */
const holds = { system: ['text'], user: ['text', 'image', 'file', 'tool_result'], assistant: ['text', 'tool_call'] };
/** A prompt of nothing is refused before it goes out, which has its own test. */
const saysAnything = (messages: Message[]): boolean =>
  messages.some(({ role, content }) =>
    content.some((part) => holds[role].includes(part.type) && !('text' in part && !part.text.trim())),
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
      fc.record(
        { type: fc.constant('json_schema' as const), schema, name: fc.string() },
        { requiredKeys: ['type', 'schema'] },
      ),
    ),
    reasoningEffort: fc.constantFrom('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'),
    tools: some(
      fc.record({ name: word, description: said, parameters: schema }, { requiredKeys: ['name', 'parameters'] }),
    ),
    toolChoice: fc.oneof(
      fc.constantFrom('auto' as const, 'none' as const, 'required' as const),
      fc.record({ name: word }),
    ),
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
    systemRole: fc.constantFrom('system' as const, 'developer' as const),
    maxTokensField: fc.constantFrom('max_tokens' as const, 'max_completion_tokens' as const),
  },
  { requiredKeys: [] },
);

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());

interface Mark {
  of: string;
  any: string[];
  role: Message['role'];
  part: MessagePart;
}

/** Whatever is said, with a mark of its own, and where the marks must come out: one of each list. */
function mark(messages: readonly Message[]): { messages: Message[]; marks: Mark[] } {
  const marks: Mark[] = [];
  const inBase64 = (one: string) => Buffer.from(one).toString('base64');
  const marked = messages.map((message) => ({
    ...message,
    content: message.content.map((part): MessagePart => {
      const next = (of: string, more: (mark: string) => string[] = () => []) => {
        const one = `mark${marks.length}x`;
        marks.push({ of, any: [one, ...more(one)], role: message.role, part });
        return one;
      };
      switch (part.type) {
        case 'text':
          return { ...part, text: next('text') + part.text };
        case 'tool_result':
          return { ...part, content: next('tool_result') + part.content };
        case 'tool_call':
          return { ...part, name: next('name'), arguments: { ...part.arguments, given: next('argument') } };
        case 'image':
        case 'file': {
          const name = part.type === 'file' ? { filename: next('filename') } : {};
          if (part.data !== undefined)
            return { ...part, ...name, data: inBase64(next('data', (one) => [inBase64(one)])) };
          if (part.url?.startsWith('https:'))
            return { ...part, ...name, url: `https://example.com/${next('url')}.png` };
          return { ...part, ...name };
        }
        // Echoed to the provider that made it and ignored by others, by the contract.
        case 'reasoning':
          return part;
      }
    }),
  }));
  return { messages: marked, marks };
}

const isLeft =
  (body: string) =>
  ({ any }: Mark): boolean =>
    !any.some((one) => body.includes(one));
const toShape = ({ mediaType, url, data }: Extract<MessagePart, { type: 'image' | 'file' }>): string =>
  `${mediaType} ${url} ${data !== undefined}`;
const withoutMarks = (warnings: readonly Warning[]): string[] =>
  warnings.map(({ message }) => message.replaceAll(/mark\d+x/g, ''));

describe.each(kinds)('%s', (kind) => {
  const answer = () =>
    (vendor.answer = sendEvents(
      wires[kind].contentType,
      wires[kind].text(['ok'], { input: 1, output: 1, cacheRead: 0, reasoning: 0 }),
    ));
  const send = async (
    messages: readonly Message[],
    given: GenerationSettings,
    modelQuirks: ModelQuirks = {},
  ): Promise<{ body: string; warnings: Warning[] }> => {
    const provider = createTestProvider(kind, vendor.url, {
      describeModel: () => modelInfo(kind, { quirks: modelQuirks }),
    });
    const request = GenerationRequest.parse({ model: 'm-1', messages, settings: given });
    const { warnings } = await provider.generate(request, patient());
    return { body: JSON.stringify(vendor.received.at(-1)?.body), warnings };
  };

  /** What of a part does not go out though nothing else is said: its vendor does not take it, and a warning says so. */
  const alone = new Map<string, Promise<{ left: string[]; says: string[] }>>();
  const askAlone = ({ role, part }: Mark) => {
    const key = `${role} ${part.type} ${part.type === 'image' || part.type === 'file' ? toShape(part) : ''}`;
    const known = alone.get(key) ?? ask();
    alone.set(key, known);
    return known;

    async function ask() {
      const { messages, marks } = mark([
        { role: 'user', content: [{ type: 'text', text: '' }] },
        { role, content: [part] },
      ]);
      const { body, warnings } = await send(messages, {});
      const left = marks.filter(isLeft(body));
      expect(left.length === 0 || warnings.length > 0, `${JSON.stringify(left)} is not in ${body}`).toBe(true);
      return { left: left.map(({ of }) => of), says: withoutMarks(warnings) };
    }
  };

  test(
    'every request that our contract allows goes out, and every setting is on the wire or in a warning',
    { timeout },
    async () => {
      answer();
      await fc.assert(
        fc.asyncProperty(some(message).filter(saysAnything), settings, quirks, async (messages, asked, modelQuirks) => {
          const whole = await send(messages, asked, modelQuirks);
          // Called as tools and files call it, not as our code does.
          const told = whole.warnings.flatMap(({ setting, message }) => (setting === undefined ? [] : message));
          expect(told.filter((message) => /[a-z][A-Z]/.test(message))).toEqual([]);
          for (const name of Object.keys(asked) as (keyof GenerationSettings)[]) {
            if (whole.warnings.some(({ setting }) => setting === name)) continue;
            // Ollama is told to call no tool by not being told of any; to be free to call is what a model is unasked.
            if (kind === 'ollama' && name === 'tools' && asked.toolChoice === 'none') continue;
            if (kind === 'ollama' && name === 'toolChoice' && asked.toolChoice === 'auto') continue;
            // Nothing is kept unless it is asked for: not asking leaves no trace.
            if (name === 'promptCache' && asked.promptCache === 'off') continue;
            const { [name]: _left, ...others } = asked;
            expect((await send(messages, others, modelQuirks)).body, `${name} left no trace in ${whole.body}`).not.toBe(
              whole.body,
            );
          }
        }),
        { numRuns: runs / 2, seed },
      );
    },
  );

  test(
    'everything that is said, shown or called is on the wire, or a warning says what is not',
    { timeout },
    async () => {
      answer();
      await fc.assert(
        fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 4 }), async (generated) => {
          const { messages, marks } = mark(generated);
          if (!saysAnything(messages)) return;
          const { body, warnings } = await send(messages, {});
          const said = withoutMarks(warnings);
          for (const one of marks.filter(isLeft(body))) {
            const { left, says } = await askAlone(one);
            expect(left, `${JSON.stringify(one)} is not in ${body}`).toContain(one.of);
            expect(said).toEqual(expect.arrayContaining(says));
          }
          // What text a message holds is never left out, if its role may hold it.
          const texts = messages.flatMap(({ role, content }) =>
            content.filter((part) => part.type === 'text' || (part.type === 'tool_result' && role === 'user')),
          );
          for (const part of texts) {
            const said = part.type === 'text' ? part.text : part.type === 'tool_result' ? part.content : '';
            expect(body).toContain(/^mark\d+x/.exec(said)?.[0]);
          }
        }),
        { numRuns: runs, seed },
      );
    },
  );

  test('tools go out with all that was said of them', async () => {
    answer();
    const tools = [
      {
        name: 'weather',
        description: 'Of a city',
        parameters: { type: 'object', properties: { city: { type: 'string', description: 'In “Latin” letters' } } },
      },
    ];
    const { body, warnings } = await send([{ role: 'user', content: [{ type: 'text', text: 'hi' }] }], { tools });
    for (const word of ['weather', 'Of a city', 'In “Latin” letters']) expect(body).toContain(word);
    expect(warnings).toEqual([]);
  });
});
