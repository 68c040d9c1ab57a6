import type { GenerationSettings, Message, ModelInfo } from '@aimm/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds, type ProviderSettings } from '../src/index.ts';
import { ask, createTestProvider, modelInfo, patient, plantedKey } from './support/providers.ts';
import { type Received, sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const counts = { input: 1, output: 1, cacheRead: 0, reasoning: 0 };
const pixel = 'iVBORw0KGgo=';

let vendor: VendorServer;
beforeAll(async () => {
  vendor = await startVendorServer();
});
afterAll(() => vendor.close());
beforeEach(() => {
  vendor.received.length = 0;
});

/** Makes a call and gives the request that came, with what was warned of. */
async function send(
  kind: ProviderKind,
  messages: string | Message[],
  settings: GenerationSettings = {},
  more: Partial<ProviderSettings> = {},
) {
  vendor.answer = sendEvents(wires[kind].contentType, wires[kind].text(['ok'], counts));
  const { warnings } = await createTestProvider(kind, vendor.url, more).generate(ask(messages, settings), patient());
  const request = vendor.received.at(-1) as Received;
  return { ...request, warnings };
}

const tools = [{ name: 'weather', description: 'Of a city', parameters: { type: 'object', properties: {} } }];
const toolTrip: Message[] = [
  { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
  { role: 'user', content: [{ type: 'text', text: 'Rome?' }] },
  {
    role: 'assistant',
    content: [
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_call', id: 'abcdefgh1', name: 'weather', arguments: { city: 'Rome' } },
    ],
  },
  { role: 'user', content: [{ type: 'tool_result', toolCallId: 'abcdefgh1', content: 'sunny' }] },
];

describe('a conversation with a tool goes out as the vendor wants it', () => {
  const chatMessages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Rome?' },
    {
      role: 'assistant',
      content: 'Let me see.',
      tool_calls: [{ id: 'abcdefgh1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
    },
    { role: 'tool', tool_call_id: 'abcdefgh1', content: 'sunny' },
  ];
  const functionTool = [{ type: 'function', function: { ...tools[0] } }];

  const expected: Record<ProviderKind, { path: string; body: object }> = {
    openai: {
      path: '/v1/responses',
      body: {
        model: 'm-1',
        stream: true,
        store: false,
        instructions: 'Be brief.',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Rome?' }] },
          { role: 'assistant', content: 'Let me see.' },
          { type: 'function_call', call_id: 'abcdefgh1', name: 'weather', arguments: '{"city":"Rome"}' },
          { type: 'function_call_output', call_id: 'abcdefgh1', output: 'sunny' },
        ],
        tools: [{ type: 'function', ...tools[0], strict: false }],
        tool_choice: 'auto',
      },
    },
    'openai-compatible': {
      path: '/v1/chat/completions',
      body: {
        model: 'm-1',
        stream: true,
        stream_options: { include_usage: true },
        messages: chatMessages,
        tools: functionTool,
        tool_choice: 'auto',
      },
    },
    anthropic: {
      path: '/v1/messages',
      body: {
        model: 'm-1',
        stream: true,
        max_tokens: 4096,
        system: 'Be brief.',
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Rome?' }] },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'Let me see.' },
              { type: 'tool_use', id: 'abcdefgh1', name: 'weather', input: { city: 'Rome' } },
            ],
          },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'abcdefgh1', content: 'sunny' }] },
        ],
        tools: [{ name: 'weather', description: 'Of a city', input_schema: tools[0]?.parameters }],
        tool_choice: { type: 'auto' },
      },
    },
    google: {
      path: '/v1beta/models/m-1:streamGenerateContent?alt=sse',
      body: {
        systemInstruction: { role: 'user', parts: [{ text: 'Be brief.' }] },
        contents: [
          { role: 'user', parts: [{ text: 'Rome?' }] },
          {
            role: 'model',
            parts: [
              { text: 'Let me see.' },
              {
                functionCall: { id: 'abcdefgh1', name: 'weather', args: { city: 'Rome' } },
                thoughtSignature: 'skip_thought_signature_validator',
              },
            ],
          },
          {
            role: 'user',
            parts: [{ functionResponse: { id: 'abcdefgh1', name: 'weather', response: { output: 'sunny' } } }],
          },
        ],
        tools: [
          {
            functionDeclarations: [
              { name: 'weather', description: 'Of a city', parametersJsonSchema: tools[0]?.parameters },
            ],
          },
        ],
        toolConfig: { functionCallingConfig: { mode: 'AUTO' } },
        generationConfig: {},
      },
    },
    mistral: {
      path: '/v1/chat/completions',
      body: {
        model: 'm-1',
        stream: true,
        messages: [
          chatMessages[0],
          { role: 'user', content: [{ type: 'text', text: 'Rome?' }] },
          {
            role: 'assistant',
            content: 'Let me see.',
            prefix: false,
            tool_calls: [
              {
                id: 'abcdefgh1',
                index: 0,
                type: 'function',
                function: { name: 'weather', arguments: '{"city":"Rome"}' },
              },
            ],
          },
          { role: 'tool', tool_call_id: 'abcdefgh1', content: 'sunny' },
        ],
        tools: [{ type: 'function', function: { ...tools[0] } }],
        tool_choice: 'auto',
      },
    },
    ollama: {
      path: '/api/chat',
      body: {
        model: 'm-1',
        stream: true,
        truncate: false,
        shift: false,
        options: {},
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Rome?' },
          {
            role: 'assistant',
            content: 'Let me see.',
            tool_calls: [{ id: 'abcdefgh1', function: { name: 'weather', arguments: { city: 'Rome' } } }],
          },
          { role: 'tool', content: 'sunny', tool_call_id: 'abcdefgh1', tool_name: 'weather' },
        ],
        tools: functionTool,
      },
    },
  };

  test.each(kinds)('%s', async (kind) => {
    const { path, body, warnings } = await send(kind, toolTrip, { tools, toolChoice: 'auto' });
    expect(path).toBe(expected[kind].path);
    expect(body).toEqual(expected[kind].body);
    expect(warnings).toEqual([]);
  });
});

describe('what a provider kept with its tool call comes back to it, and to no other', () => {
  const kept: Partial<Record<ProviderKind, { vendor: object; find: (body: never) => unknown; expected: unknown }>> = {
    openai: {
      vendor: { openai: { reasoning: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' }] } },
      find: (body: { input: unknown[] }) => body.input[2],
      expected: { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' },
    },
    anthropic: {
      vendor: { anthropic: { thinking: [{ type: 'thinking', thinking: 'hmm', signature: 's' }] } },
      find: (body: { messages: { content: unknown[] }[] }) => body.messages[1]?.content[0],
      expected: { type: 'thinking', thinking: 'hmm', signature: 's' },
    },
    'openai-compatible': {
      vendor: { 'openai-compatible': { provider: 'openai-compatible', model: 'm-1', reasoning_content: 'hmm' } },
      find: (body: { messages: object[] }) => body.messages[2],
      expected: expect.objectContaining({ role: 'assistant', reasoning_content: 'hmm' }),
    },
    google: {
      vendor: { google: { thoughtSignature: 'c2ln' } },
      find: (body: { contents: { parts: unknown[] }[] }) => body.contents[1]?.parts[1],
      expected: expect.objectContaining({ thoughtSignature: 'c2ln' }),
    },
  };
  const withVendor = (vendorData: object): Message[] =>
    toolTrip.map((message) => ({
      ...message,
      content: message.content.map((part) =>
        part.type === 'tool_call' ? { ...part, vendor: vendorData as NonNullable<typeof part.vendor> } : part,
      ),
    }));

  const keepers = kinds.flatMap((kind) => {
    const own = kept[kind];
    return own === undefined ? [] : [{ kind, ...own }];
  });

  test.each(keepers)('$kind gets its own', async ({ kind, vendor: data, find, expected }) => {
    const { body } = await send(kind, withVendor(data));
    expect(find(body as never)).toEqual(expected);
  });

  test.each(kinds)('%s gets nothing of the others', async (kind) => {
    const plain = await send(kind, toolTrip);
    const others = keepers.filter((keeper) => keeper.kind !== kind).map(({ vendor: data }) => data);
    const foreign = await send(kind, withVendor(Object.assign({}, ...others)));
    expect(foreign.body).toEqual(plain.body);
  });

  const reasons = modelInfo('openai', { capabilities: ['text', 'tools', 'reasoning'] });
  const answers = modelInfo('openai', { capabilities: ['text', 'tools'] });

  test.each<[string, object, ModelInfo | undefined, boolean]>([
    ['the model itself', { provider: 'openai', model: 'm-1' }, undefined, true],
    ['the model itself, whatever is known of it', { provider: 'openai', model: 'm-1' }, answers, true],
    ['another that reasons', { provider: 'openai', model: 'm-0' }, reasons, true],
    ['another that does not', { provider: 'openai', model: 'm-0' }, answers, false],
    ['another of which nothing is known', { provider: 'openai', model: 'm-0' }, undefined, false],
    ['the same model elsewhere', { provider: 'azure', model: 'm-1' }, reasons, false],
    ['a model that does not reason, where nobody noted the maker', {}, answers, false],
    ['one that does, where nobody noted the maker', {}, reasons, true],
  ])('encrypted reasoning and %s', async (_model, maker, info, expected) => {
    const item = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' };
    const { body } = await send(
      'openai',
      withVendor({ openai: { ...maker, reasoning: [item] } }),
      {},
      {
        describeModel: () => info,
      },
    );
    expect((body as { input: object[] }).input.some((one) => 'encrypted_content' in one)).toBe(expected);
  });

  const thoughts = (index: number, type: string, more: object) => ({ type, index, format: 'some-v1', ...more });

  test.each<[string, object[], object, object]>([
    [
      'the text of its reasoning (DeepSeek, Kimi)',
      [{ reasoning_content: 'Rome' }, { reasoning_content: '?', content: '' }, { reasoning_content: null }],
      { reasoning_content: 'Rome?' },
      {},
    ],
    ['that text under its other name', [{ reasoning: 'Rome?' }], { reasoning: 'Rome?' }, {}],
    [
      'what is signed or encrypted of it (OpenRouter)',
      [
        { reasoning: 'Ro', reasoning_details: [thoughts(0, 'reasoning.text', { text: 'Ro' })] },
        { reasoning: 'me', reasoning_details: [thoughts(0, 'reasoning.text', { text: 'me', signature: null })] },
        { reasoning_details: [thoughts(0, 'reasoning.text', { text: '', signature: 's1' })] },
        { reasoning_details: [thoughts(1, 'reasoning.encrypted', { data: 'x' })] },
        { reasoning_details: [thoughts(2, 'reasoning.summary', { summary: 'a' })] },
        { reasoning_details: [thoughts(2, 'reasoning.summary', { summary: 'b' })] },
      ],
      {
        reasoning: 'Rome',
        reasoning_details: [
          thoughts(0, 'reasoning.text', { text: 'Rome', signature: 's1' }),
          thoughts(1, 'reasoning.encrypted', { data: 'x' }),
          thoughts(2, 'reasoning.summary', { summary: 'ab' }),
        ],
      },
      {},
    ],
    ['a signature of its own (Gemini)', [], {}, { extra_content: { google: { thought_signature: 'c2ln' } } }],
  ])('openai-compatible: with a call goes back %s', async (_what, deltas, message, extra) => {
    const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{}' } };
    const calls = [
      { index: 0, ...call, ...extra },
      { index: 1, ...call, id: 'c2' },
    ];
    const events = [
      ...deltas.map((delta) => ({ delta })),
      { delta: { tool_calls: calls } },
      { delta: {}, finish_reason: 'tool_calls' },
    ].map((choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`);
    vendor.answer = sendEvents('text/event-stream', events);
    const { toolCalls } = await createTestProvider('openai-compatible', vendor.url).generate(ask('Rome?'), patient());
    const next = await send('openai-compatible', [
      { role: 'user', content: [{ type: 'text', text: 'Rome?' }] },
      { role: 'assistant', content: toolCalls },
      { role: 'user', content: toolCalls.map(({ id }) => ({ type: 'tool_result', toolCallId: id, content: 'sunny' })) },
    ]);
    expect((next.body as { messages: object[] }).messages[1]).toEqual({
      role: 'assistant',
      content: null,
      ...message,
      tool_calls: [
        { ...call, ...extra },
        { ...call, id: 'c2' },
      ],
    });
  });
});

describe('a conversation with tools that another model began', () => {
  const call = (id: string, vendor: object = {}) =>
    ({ type: 'tool_call', id, name: 'weather', arguments: {}, ...vendor }) as const;
  const results = (...ids: string[]): Message => ({
    role: 'user',
    content: ids.map((toolCallId) => ({ type: 'tool_result', toolCallId, content: 'sunny' })),
  });
  const asked: Message = { role: 'user', content: [{ type: 'text', text: 'Rome?' }] };
  const thoughts = { vendor: { anthropic: { thinking: [{ type: 'thinking', thinking: 'hmm', signature: 's' }] } } };

  test('google: only the first call of a turn is to have a signature, and one that is there stays', async () => {
    const own = { vendor: { google: { thoughtSignature: 'c2ln' } } };
    const { body } = await send('google', [
      asked,
      { role: 'assistant', content: [call('a', own), call('b')] },
      results('a', 'b'),
      { role: 'assistant', content: [{ type: 'text', text: 'Hm.' }, call('c'), call('d')] },
      results('c', 'd'),
    ]);
    const { contents } = body as { contents: { role: string; parts: { thoughtSignature?: string }[] }[] };
    expect(
      contents.map(({ role, parts }) => [role, ...parts.map(({ thoughtSignature = '' }) => thoughtSignature)]),
    ).toEqual([
      ['user', ''],
      ['model', 'c2ln', ''],
      ['user', '', ''],
      ['model', '', 'skip_thought_signature_validator', ''],
      ['user', '', ''],
    ]);
  });

  test('google: models before Gemini 3, which look at no signature, get none', async () => {
    const describeModel = () => modelInfo('google', { quirks: { reasoningStyle: 'budget' } });
    expect(JSON.stringify((await send('google', toolTrip, {}, { describeModel })).body)).not.toContain('Signature');
  });

  const older = { describeModel: () => modelInfo('anthropic', { quirks: { reasoningStyle: 'budget' } }) };
  const foreign: Message[] = [asked, { role: 'assistant', content: [call('a')] }, results('a')];
  const further: Message[] = [{ role: 'assistant', content: [call('b')] }, results('b')];

  test.each<[string, Message[]]>([
    ['began without thoughts', foreign],
    ['began with text', toolTrip],
    ['began without thoughts, and went on', [...foreign, ...further]],
    ['was answered together with text', [...foreign, asked]],
  ])('anthropic: a model of the older kind does not begin to think in a turn that %s', async (_how, messages) => {
    const { body, warnings } = await send('anthropic', messages, { reasoningEffort: 'low' }, older);
    expect(body).not.toHaveProperty('thinking');
    expect(warnings).toEqual([
      { code: 'unsupported_setting', setting: 'reasoningEffort', message: expect.stringContaining('tool') },
    ]);
  });

  test.each<[string, Message[]]>([
    ['it thought at the beginning of', [asked, { role: 'assistant', content: [call('a', thoughts)] }, results('a')]],
    [
      'it thought at the beginning of, and not again',
      [asked, { role: 'assistant', content: [call('a', thoughts)] }, results('a'), ...further],
    ],
    ['is new', [...foreign, { role: 'assistant', content: [{ type: 'text', text: 'Sunny.' }] }, asked]],
  ])('anthropic: it thinks in a turn that %s', async (_how, messages) => {
    const { body, warnings } = await send('anthropic', messages, { reasoningEffort: 'low' }, older);
    expect(body).toMatchObject({ thinking: { type: 'enabled' } });
    expect(warnings).toEqual([]);
  });

  test('anthropic: a model that thinks as it sees fit may begin anywhere', async () => {
    const { body, warnings } = await send('anthropic', foreign, { reasoningEffort: 'low' });
    expect(body).toMatchObject({ thinking: { type: 'adaptive' } });
    expect(warnings).toEqual([]);
  });
});

test('a warning calls a setting as tools and files do', async () => {
  const { warnings } = await send('anthropic', 'hi', { frequencyPenalty: 1, serviceTier: 'odd' });
  const limited = await send('openai', 'hi', { topK: 3, maxOutputTokens: 5, toolChoice: 'auto' });
  const unnamed = await send('ollama', 'hi', { userId: 'me' });
  expect(
    [...warnings, ...limited.warnings, ...unnamed.warnings].map(({ message }) => message.split(/[:,]/)[0]),
  ).toEqual([
    'frequency_penalty was left out',
    'service_tier was left out',
    'top_k was left out',
    'tool_choice was left out',
    'max_output_tokens is 16',
    'user was left out',
  ]);
});

describe('a JSON schema is the vendor’s to keep to', () => {
  const capable = (kind: ProviderKind) => ({
    describeModel: () => modelInfo(kind, { capabilities: ['text', 'json', 'json_schema'] }),
  });
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const closed = { ...schema, additionalProperties: false };
  const expected: Record<ProviderKind, object> = {
    openai: { text: { format: { type: 'json_schema', name: 'a_city', schema: closed, strict: true } } },
    'openai-compatible': {
      response_format: { type: 'json_schema', json_schema: { name: 'a_city', schema: closed, strict: true } },
    },
    anthropic: { output_config: { format: { type: 'json_schema', schema: closed } } },
    google: { generationConfig: { responseMimeType: 'application/json', responseJsonSchema: schema } },
    mistral: {
      response_format: { type: 'json_schema', json_schema: { name: 'a_city', schema: closed, strict: true } },
    },
    ollama: { format: schema },
  };

  test.each(kinds)('%s', async (kind) => {
    const settings = { responseFormat: { type: 'json_schema' as const, name: 'a city', schema } };
    const { body, warnings } = await send(kind, 'hi', settings, capable(kind));
    expect(body).toMatchObject(expected[kind]);
    expect(warnings).toEqual([]);
  });

  test.each(kinds)('%s: a model without a mode for it gets it in the prompt', async (kind) => {
    const settings = { responseFormat: { type: 'json_schema' as const, schema } };
    const messages: Message[] = [
      { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    ];
    const { body, warnings } = await send(kind, messages, settings, {
      describeModel: () => modelInfo(kind, { capabilities: ['text'] }),
    });
    const sent = JSON.stringify(body);
    expect(sent).toContain('Be brief.\\n\\nAnswer with JSON that satisfies this JSON Schema');
    expect(sent).toContain(JSON.stringify(JSON.stringify(schema)).slice(1, -1));
    expect(sent).not.toMatch(/"(response_format|output_config|responseJsonSchema|format)"/);
    expect(warnings).toEqual([
      { code: 'adjusted_setting', setting: 'responseFormat', message: expect.stringContaining(`${kind}/m-1`) },
    ]);
  });

  test('one that nothing could satisfy once its objects are closed is sent as it is, or in the prompt', async () => {
    const both = { type: 'object', allOf: [schema, { type: 'object', properties: { name: {} }, required: ['name'] }] };
    const settings = { responseFormat: { type: 'json_schema' as const, schema: both } };
    const { body: mistral } = await send('mistral', 'hi', settings, capable('mistral'));
    expect(mistral).toMatchObject({ response_format: { json_schema: { schema: both, strict: false } } });
    const { body, warnings } = await send('anthropic', 'hi', settings, capable('anthropic'));
    expect(body).toMatchObject({ system: expect.stringContaining(JSON.stringify(both)) });
    expect(body).not.toHaveProperty('output_config');
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'responseFormat' })]);
  });

  test('a model that has at least a mode for plain JSON is asked for that, too', async () => {
    const settings = { responseFormat: { type: 'json_schema' as const, schema } };
    const { body } = await send('openai-compatible', 'hi', settings, {
      describeModel: () => modelInfo('openai-compatible', { capabilities: ['json'] }),
    });
    expect(body).toMatchObject({ response_format: { type: 'json_object' } });
  });

  test('an unknown server of OpenAI’s wire is not sent a field that it may refuse', async () => {
    const { body } = await send('openai-compatible', 'hi', { responseFormat: { type: 'json_schema', schema } });
    expect(body).not.toHaveProperty('response_format');
    expect(JSON.stringify(body)).toContain('satisfies this JSON Schema');
  });

  test('openai: a schema with optional fields is sent, but not as strict', async () => {
    const loose = { type: 'object', properties: { city: { type: 'string' } } };
    const { body } = await send('openai', 'hi', { responseFormat: { type: 'json_schema', schema: loose } });
    expect(body).toMatchObject({ text: { format: { name: 'answer', strict: false } } });
  });

  test.each(kinds.filter((kind) => kind !== 'google'))('%s wants plain JSON asked for in the prompt', async (kind) => {
    const { body, warnings } = await send(kind, 'hi', { responseFormat: { type: 'json' } });
    expect(JSON.stringify(body)).toContain('Answer with a JSON object');
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'responseFormat' })]);
  });

  test.each<[string, Message[]]>([
    ['nowhere', [{ role: 'user', content: [{ type: 'text', text: 'List three cities' }] }]],
    [
      'in the system prompt',
      [
        { role: 'system', content: [{ type: 'text', text: 'Answer in JSON.' }] },
        { role: 'user', content: [{ type: 'text', text: 'List three cities' }] },
      ],
    ],
  ])(
    'openai: plain JSON is asked for where OpenAI looks for the word, which the prompt has %s',
    async (_at, messages) => {
      const { body, warnings } = await send('openai', messages, { responseFormat: { type: 'json' } });
      expect(JSON.stringify((body as { input: unknown }).input)).toMatch(/json/i);
      expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'responseFormat' })]);
    },
  );

  test('openai: a user who asks for JSON is not told so once more', async () => {
    const { body, warnings } = await send('openai', 'Three cities as JSON', { responseFormat: { type: 'json' } });
    expect(body).toMatchObject({ input: [{ role: 'user' }] });
    expect(warnings).toEqual([]);
  });

  const older = { describeModel: () => modelInfo('google', { quirks: { reasoningStyle: 'budget' } }) };
  const asked = { code: 'adjusted_setting', setting: 'responseFormat', message: expect.stringContaining('google/m-1') };

  test.each([
    ['a schema', { type: 'json_schema' as const, schema }, 'satisfies this JSON Schema'],
    ['plain JSON', { type: 'json' as const }, 'Answer with a JSON object'],
  ])('google: beside tools, models before Gemini 3 are asked for %s in the prompt', async (_form, format, words) => {
    const { body, warnings } = await send('google', 'hi', { tools, responseFormat: format }, older);
    expect(JSON.stringify(body)).toContain(words);
    expect(JSON.stringify(body)).not.toMatch(/responseMimeType|responseJsonSchema/);
    expect(warnings).toEqual([asked]);
    const alone = await send('google', 'hi', { responseFormat: format }, older);
    expect(alone.body).toMatchObject({ generationConfig: { responseMimeType: 'application/json' } });
    const later = await send('google', 'hi', { tools, responseFormat: format });
    expect(later.body).toMatchObject({ generationConfig: { responseMimeType: 'application/json' } });
    expect([...alone.warnings, ...later.warnings]).toEqual([]);
  });

  test('google has a mode for plain JSON', async () => {
    const { body, warnings } = await send('google', 'hi', { responseFormat: { type: 'json' } });
    expect(body).toMatchObject({ generationConfig: { responseMimeType: 'application/json' } });
    expect(warnings).toEqual([]);
  });
});

describe('images', () => {
  const inline = (more: object): Message[] => [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is it?' },
        { type: 'image', ...more },
      ],
    },
  ];
  const dataUrl = `data:image/png;base64,${pixel}`;
  const expected: Record<ProviderKind, object> = {
    openai: { type: 'input_image', detail: 'auto', image_url: dataUrl },
    'openai-compatible': { type: 'image_url', image_url: { url: dataUrl } },
    anthropic: { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
    google: { inlineData: { mimeType: 'image/png', data: pixel } },
    mistral: { type: 'image_url', image_url: dataUrl },
    ollama: { role: 'user', content: 'What is it?', images: [pixel] },
  };
  const find = (body: unknown): unknown => {
    const { input, messages, contents } = body as Record<string, { content?: unknown; parts?: unknown[] }[]>;
    const turn = (input ?? messages ?? contents)?.[0];
    const parts = turn?.parts ?? (turn && 'images' in turn ? [turn, turn] : (turn?.content as unknown[]));
    return parts[1];
  };

  test.each(kinds)('%s: base64 and data URLs are the same to it', async (kind) => {
    const base64 = await send(kind, inline({ data: pixel, mediaType: 'image/png' }));
    expect(find(base64.body)).toEqual(expected[kind]);
    const asUrl = await send(kind, inline({ url: dataUrl }));
    expect(asUrl.body).toEqual(base64.body);
    expect([...base64.warnings, ...asUrl.warnings]).toEqual([]);
  });

  test.each(kinds)('%s: the names that programs have for JPEG are one to it', async (kind) => {
    const plain = await send(kind, inline({ data: pixel, mediaType: 'image/jpeg' }));
    for (const part of [
      { data: pixel, mediaType: 'image/jpg' },
      { data: pixel, mediaType: 'IMAGE/JPEG ' },
      { url: `data:image/jpg;base64,${pixel}` },
      { url: `data:image/pjpeg;base64,${pixel}` },
    ]) {
      const { body, warnings } = await send(kind, inline(part));
      expect(body).toEqual(plain.body);
      expect(warnings).toEqual([]);
    }
  });

  const url = 'https://example.com/cat.png';

  test.each(kinds.filter((kind) => kind !== 'ollama'))('%s: an address is passed on', async (kind) => {
    expect(JSON.stringify((await send(kind, inline({ url }))).body)).toContain(url);
  });

  test('ollama: takes no address, and says so to the reader and to the model', async () => {
    const { body, warnings } = await send('ollama', inline({ url }));
    expect(warnings).toEqual([expect.objectContaining({ code: 'other' })]);
    expect(JSON.stringify(body)).toContain('[An image left out');
  });

  test('ollama: a path in place of data reads no file', async () => {
    const { body } = await send('ollama', inline({ data: '/etc/passwd', mediaType: 'image/png' }));
    const sent = (body as { messages: { images: string[] }[] }).messages[0]?.images[0] ?? '';
    expect(Buffer.from(sent, 'base64')).toEqual(Buffer.from('/etc/passwd', 'base64'));
  });
});

describe('parallel calls and foreign ids', () => {
  const withId = (id: string): Message[] =>
    toolTrip.map((message) => ({
      ...message,
      content: message.content.map((part) => {
        if (part.type === 'tool_call') return { ...part, id };
        return part.type === 'tool_result' ? { ...part, toolCallId: id } : part;
      }),
    }));
  const asChat = { describeModel: () => modelInfo('openai', { quirks: { api: 'chat' } }) };
  const idsIn = (body: unknown) =>
    [...JSON.stringify(body).matchAll(/"(?:id|call_id|tool_call_id|tool_use_id)":"(.*?)"/g)].map(([, id]) => id);

  test.each<[ProviderKind, string, RegExp, Partial<ProviderSettings>?]>([
    ['mistral', 'call_of_another-provider', /^[a-zA-Z0-9]{9}$/],
    ['anthropic', 'functions.now:0', /^[a-zA-Z0-9_-]+$/],
    ['openai', `call_${'a'.repeat(60)}`, /^.{1,64}$/],
    ['openai', `call_${'a'.repeat(36)}`, /^.{1,40}$/, asChat],
  ])('%s: the id %s becomes one that it takes, the same for call and result', async (kind, id, allowed, more) => {
    const wire = wires[more === undefined ? kind : 'openai-compatible'];
    vendor.answer = sendEvents(wire.contentType, wire.text(['ok'], counts));
    await createTestProvider(kind, vendor.url, more).generate(ask(withId(id)), patient());
    const [ofCall, ofResult, ...none] = idsIn(vendor.received.at(-1)?.body);
    expect(ofCall).toMatch(allowed);
    expect(ofCall).not.toBe(id);
    expect(ofResult).toBe(ofCall);
    expect(none).toEqual([]);
  });

  test.each(kinds.filter((kind) => kind !== 'mistral'))('%s: an id that it takes stays', async (kind) => {
    const { body } = await send(kind, withId('call_0-a'));
    expect(idsIn(body)).toEqual(['call_0-a', 'call_0-a']);
  });

  test('anthropic: results of one turn come first in one message', async () => {
    const { body } = await send('anthropic', [
      ...toolTrip.slice(0, 3),
      { role: 'user', content: [{ type: 'text', text: 'And?' }] },
      { role: 'user', content: [{ type: 'tool_result', toolCallId: 'abcdefgh1', content: 'no', isError: true }] },
    ]);
    expect((body as { messages: unknown[] }).messages.at(-1)).toEqual({
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'abcdefgh1', content: 'no', is_error: true },
        { type: 'text', text: 'And?' },
      ],
    });
  });
});

describe('quirks of the catalog', () => {
  const withQuirks = (kind: ProviderKind, quirks: object, more: object = {}) => ({
    describeModel: () => modelInfo(kind, { quirks, ...more }),
  });

  test('openai: a model of Chat Completions is asked there, by its own field names', async () => {
    const quirks = { api: 'chat' as const, systemRole: 'developer' as const, maxTokensField: 'max_tokens' as const };
    vendor.answer = sendEvents('text/event-stream', wires['openai-compatible'].text(['ok'], counts));
    const provider = createTestProvider('openai', vendor.url, withQuirks('openai', quirks));
    await provider.generate(ask(toolTrip.slice(0, 2), { maxOutputTokens: 9, stop: ['x'] }), patient());
    expect(vendor.received.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      body: { max_tokens: 9, stop: ['x'], store: false, messages: [{ role: 'developer' }, { role: 'user' }] },
    });
  });

  test('a setting that the model refuses is left out and named', async () => {
    const { body, warnings } = await send(
      'mistral',
      'hi',
      { temperature: 1 },
      withQuirks('mistral', { unsupported: ['temperature'] }),
    );
    expect(body).not.toHaveProperty('temperature');
    expect(warnings).toEqual([
      { code: 'unsupported_setting', setting: 'temperature', message: expect.stringContaining('mistral/m-1') },
    ]);
  });

  test('a setting that goes only without reasoning', async () => {
    const quirks = withQuirks('openai', { onlyWithoutReasoning: ['temperature'] });
    const reasoning = await send('openai', 'hi', { temperature: 1, reasoningEffort: 'low' }, quirks);
    expect(reasoning.body).not.toHaveProperty('temperature');
    const without = await send('openai', 'hi', { temperature: 1, reasoningEffort: 'none' }, quirks);
    expect(without.body).toMatchObject({ temperature: 1, reasoning: { effort: 'none' } });
    expect(without.warnings).toEqual([]);
  });

  test('a setting that goes only without reasoning goes unasked to a model that reasons only when asked', async () => {
    const quirks = withQuirks('anthropic', {
      onlyWithoutReasoning: ['temperature', 'topP'],
      reasoningByDefault: false,
      reasoningStyle: 'budget',
      apiVersion: '2023-06-01',
    });
    const unasked = await send('anthropic', 'hi', { temperature: 0.2 }, quirks);
    expect(unasked.body).toMatchObject({ temperature: 0.2 });
    expect(unasked.body).not.toHaveProperty('thinking');
    expect(unasked.warnings).toEqual([]);
    const reasoning = await send('anthropic', 'hi', { temperature: 0.2, reasoningEffort: 'low' }, quirks);
    expect(reasoning.body).not.toHaveProperty('temperature');
    expect(reasoning.warnings).toEqual([
      expect.objectContaining({ code: 'unsupported_setting', setting: 'temperature' }),
    ]);
  });

  test('anthropic: of temperature and top_p, which its models refuse together, the temperature goes out', async () => {
    const quirks = withQuirks('anthropic', { apiVersion: '2023-06-01' });
    const both = await send('anthropic', 'hi', { temperature: 0.2, topP: 0.9 }, quirks);
    expect(both.body).toMatchObject({ temperature: 0.2 });
    expect(both.body).not.toHaveProperty('top_p');
    expect(both.warnings).toEqual([expect.objectContaining({ code: 'unsupported_setting', setting: 'topP' })]);
    const alone = await send('anthropic', 'hi', { topP: 0.9 }, quirks);
    expect(alone.body).toMatchObject({ top_p: 0.9 });
    expect(alone.warnings).toEqual([]);
  });

  test('an effort that the model does not know becomes the nearest', async () => {
    const quirks = withQuirks('openai', { reasoningEfforts: ['none', 'low', 'high'] });
    const { body, warnings } = await send('openai', 'hi', { reasoningEffort: 'minimal' }, quirks);
    expect(body).toMatchObject({ reasoning: { effort: 'low' } });
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'reasoningEffort' })]);
  });

  test.each([
    ['openai', { reasoning: { effort: 'xhigh' } }],
    ['anthropic', { output_config: { effort: 'xhigh' } }],
    ['mistral', { reasoning_effort: 'xhigh' }],
  ] as const)('%s: the effort xhigh, between high and max', async (kind, expected) => {
    const { body, warnings } = await send(kind, 'hi', { reasoningEffort: 'xhigh' });
    expect(body).toMatchObject(expected);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['google', { generationConfig: { thinkingConfig: { thinkingLevel: 'HIGH' } } }],
    ['openai-compatible', { reasoning_effort: 'high' }],
  ] as const)('%s: has nothing above high, and says so', async (kind, expected) => {
    const { body, warnings } = await send(kind, 'hi', { reasoningEffort: 'xhigh' });
    expect(body).toMatchObject(expected);
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'reasoningEffort' })]);
  });

  test('anthropic: a model that reasons at least between its tools', async () => {
    const quirks = withQuirks('anthropic', { reasoningOff: 'between_tools' });
    const { body } = await send('anthropic', 'hi', { reasoningEffort: 'none' }, quirks);
    expect(body).toMatchObject({ thinking: { type: 'between_tools' } });
  });

  test('openai: a summary of the reasoning is asked for where the catalog says so', async () => {
    const quirks = withQuirks('openai', { reasoningSummary: 'auto' });
    const { body } = await send('openai', 'hi', { reasoningEffort: 'low' }, quirks);
    expect(body).toMatchObject({ reasoning: { effort: 'low', summary: 'auto' } });
    const without = await send('openai', 'hi', { reasoningEffort: 'none' }, quirks);
    expect(without.body).toMatchObject({ reasoning: { effort: 'none' } });
    expect(without.body).not.toHaveProperty('reasoning.summary');
  });

  test('a model that cannot be made to call a tool', async () => {
    const quirks = withQuirks('anthropic', { forcedToolChoice: false });
    const { body, warnings } = await send('anthropic', 'hi', { tools, toolChoice: 'required' }, quirks);
    expect(body).toMatchObject({ tool_choice: { type: 'auto' } });
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted_setting', setting: 'toolChoice' })]);
  });

  test('anthropic: sampling goes out only to models of an API version that has it', async () => {
    const settings = { temperature: 0.5, topK: 3 };
    const now = await send('anthropic', 'hi', settings);
    expect(now.body).not.toHaveProperty('temperature');
    expect(now.warnings.map(({ setting }) => setting)).toEqual(['temperature', 'topK']);
    const older = await send('anthropic', 'hi', settings, withQuirks('anthropic', { apiVersion: '2023-06-01' }));
    expect(older.body).toMatchObject({ temperature: 0.5, top_k: 3 });
    expect(older.headers['anthropic-version']).toBe('2023-06-01');
    expect(older.warnings).toEqual([]);
  });

  test('openai: an answer is allowed the 16 tokens that the Responses API wants at least', async () => {
    const short = await send('openai', 'yes or no?', { maxOutputTokens: 5 });
    expect(short.body).toMatchObject({ max_output_tokens: 16 });
    expect(short.warnings).toEqual([
      { code: 'adjusted_setting', setting: 'maxOutputTokens', message: expect.stringContaining('openai/m-1') },
    ]);
    const enough = await send('openai', 'yes or no?', { maxOutputTokens: 16 });
    expect(enough.body).toMatchObject({ max_output_tokens: 16 });
    expect(enough.warnings).toEqual([]);
  });

  test('anthropic: the limit of tokens is the model’s own when none is asked for', async () => {
    const { body } = await send('anthropic', 'hi', {}, withQuirks('anthropic', {}, { maxOutputTokens: 64_000 }));
    expect(body).toMatchObject({ max_tokens: 64_000 });
  });

  test.each([
    ['effort', { output_config: { effort: 'high' }, thinking: { type: 'adaptive', display: 'summarized' } }],
    ['budget', { thinking: { type: 'enabled', budget_tokens: 4095 } }],
    ['switch', { thinking: { type: 'adaptive', display: 'summarized' } }],
  ] as const)('anthropic: reasoning by %s', async (reasoningStyle, expected) => {
    const { body } = await send(
      'anthropic',
      'hi',
      { reasoningEffort: 'high' },
      withQuirks('anthropic', { reasoningStyle }),
    );
    expect(body).toMatchObject(expected);
  });

  test.each([
    ['effort', { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['budget', { thinkingBudget: 16_384, includeThoughts: true }],
    ['switch', { thinkingBudget: -1, includeThoughts: true }],
  ] as const)('google: reasoning by %s', async (reasoningStyle, thinkingConfig) => {
    const { body } = await send('google', 'hi', { reasoningEffort: 'high' }, withQuirks('google', { reasoningStyle }));
    expect(body).toMatchObject({ generationConfig: { thinkingConfig } });
  });

  test.each([
    ['effort', 'high'],
    ['switch', true],
  ] as const)('ollama: reasoning by %s', async (reasoningStyle, think) => {
    const { body } = await send('ollama', 'hi', { reasoningEffort: 'high' }, withQuirks('ollama', { reasoningStyle }));
    expect(body).toMatchObject({ think });
  });
});

describe('keys and headers', () => {
  const keyHeader: Record<ProviderKind, [string, string]> = {
    openai: ['authorization', `Bearer ${plantedKey}`],
    'openai-compatible': ['authorization', `Bearer ${plantedKey}`],
    anthropic: ['authorization', `Bearer ${plantedKey}`],
    google: ['x-goog-api-key', plantedKey],
    mistral: ['authorization', `Bearer ${plantedKey}`],
    ollama: ['authorization', `Bearer ${plantedKey}`],
  };

  test.each(kinds)('%s: the key is in its header and nowhere else', async (kind) => {
    const { headers, path, body } = await send(kind, 'hi');
    const [name, value] = keyHeader[kind];
    expect(headers[name]).toBe(value);
    expect(path + JSON.stringify(body)).not.toContain(plantedKey);
  });

  test('openai-compatible: a server without keys gets none', async () => {
    const { headers } = await send('openai-compatible', 'hi', {}, { apiKey: '', keyRequired: false });
    expect(headers).not.toHaveProperty('authorization');
  });

  test.each(kinds)('%s: variables of the environment that its SDK reads change nothing', async (kind) => {
    const plain = await send(kind, 'hi');
    const variables = {
      OPENAI_BASE_URL: 'http://127.0.0.1:9',
      OPENAI_API_KEY: 'other-key',
      OPENAI_ORG_ID: 'org-other',
      OPENAI_PROJECT_ID: 'proj-other',
      OPENAI_CUSTOM_HEADERS: 'Authorization: other\nX-Leak: secret',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
      ANTHROPIC_AUTH_TOKEN: 'other-token',
      ANTHROPIC_CUSTOM_HEADERS: 'X-Leak: secret',
      GOOGLE_GENAI_USE_VERTEXAI: 'true',
      GOOGLE_GENAI_API_VERSION: 'v1',
      GOOGLE_GEMINI_BASE_URL: 'http://127.0.0.1:9',
      GOOGLE_CLOUD_PROJECT: 'other',
      MISTRAL_API_KEY: 'other-key',
      OLLAMA_HOST: 'http://127.0.0.1:9',
    };
    const before = { ...process.env };
    Object.assign(process.env, variables);
    try {
      const { path, body, headers } = await send(kind, 'hi');
      const steady = ({ host: _host, connection: _connection, ...rest }: typeof headers) => rest;
      expect({ path, body, headers: steady(headers) }).toEqual({
        path: plain.path,
        body: plain.body,
        headers: steady(plain.headers),
      });
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });
});
