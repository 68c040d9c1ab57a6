import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BatchItem, ModelManagerError } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { type BatchFile, parseBatchFile, type ParseBatchOptions } from '@aimm/batch';

async function* chunk(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function collect(items: AsyncIterable<BatchItem>): Promise<BatchItem[]> {
  const all: BatchItem[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Read in pieces of a few bytes, so that every character and line is cut somewhere. */
async function read(name: string, text: string, options?: ParseBatchOptions, format?: BatchFile['format']) {
  return collect(parseBatchFile({ name, content: chunk(text, 7), format }, options));
}

async function faultsOf(name: string, text: string, options?: ParseBatchOptions): Promise<string> {
  const error: unknown = await read(name, text, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof ModelManagerError)) throw new Error('expected faults', { cause: error });
  expect(error.code).toBe('invalid_request');
  expect(error.hint).toMatch(/Nothing was started/);
  return error.message;
}

const user = (text: string) => ({ role: 'user' as const, content: [{ type: 'text' as const, text }] });
const system = (text: string) => ({ role: 'system' as const, content: [{ type: 'text' as const, text }] });

describe('JSON lines', () => {
  test('a line is a prompt with its settings and assertions; ids default to line numbers', async () => {
    const text = [
      '\uFEFF{"prompt": "Grüße 🌍"}\r',
      '',
      '{"id": "own", "system": "Be short.", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_output_tokens": 9, "response_format": "json", "assert": ["contains: x", {"type": "max_cost", "usd": 0.01}]}',
      '{"id": 7, "prompt": "Say {{word}} to {{who.name}}, {{ n }} times, \\\\{{word}}", "vars": {"word": "hi", "who.name": "Ann", "n": 3}}',
    ].join('\n');
    expect(await read('a.jsonl', text)).toEqual([
      { id: '1', messages: [user('Grüße 🌍')] },
      {
        id: 'own',
        messages: [system('Be short.'), user('Hi')],
        settings: { temperature: 0, maxOutputTokens: 9, responseFormat: { type: 'json' } },
        assertions: [
          { type: 'contains', value: 'x' },
          { type: 'max_cost', nanoUsd: 10_000_000 },
        ],
      },
      {
        id: '7',
        messages: [user('Say hi to Ann, 3 times, {{word}}')],
        vars: { word: 'hi', 'who.name': 'Ann', n: 3 },
      },
    ]);
  });

  test('a field of a variable is named with a dot; a variable whose own name has one goes first', async () => {
    const vars = { user: { name: 'Ann', pets: ['cat'] }, 'user.age': 7 };
    const line = (prompt: string) => JSON.stringify({ prompt, vars });
    expect(await read('a.jsonl', line('{{user.name}}, {{user.age}}, {{user.pets.0}}, {{user.pets}}'))).toMatchObject([
      { messages: [user('Ann, 7, cat, ["cat"]')] },
    ]);
    for (const name of ['user.size', 'user.name.length', 'user.toString', 'user.pets.1'])
      expect(await faultsOf('a.jsonl', line(`{{${name}}}`))).toContain(`there is no variable ${name}`);
  });

  test('without variables braces are text', async () => {
    expect(await read('a.jsonl', '{"prompt": "What is {{x}} in Jinja?"}')).toEqual([
      { id: '1', messages: [user('What is {{x}} in Jinja?')] },
    ]);
  });

  test('every fault names line, field and what is expected, and all are told at once', async () => {
    const text = [
      '{"prompt": "fine"}',
      '{"prompt": "x", "temperature": 3}',
      '{"prompt": "x", "max_tokens": 3}',
      '{"id": "a"}',
      'not json',
      '[1]',
      '{"prompt": "{{who}} and {{what}}", "vars": {"who": "Ann"}}',
      '{"prompt": "x", "id": "1"}',
      '{"prompt": "x", "assert": ["contains: a", {"type": "regex", "pattern": "("}]}',
      '{"prompt": "x", "assert": [{"type": "contains", "value": "a", "icase": true}]}',
      '{"prompt": "x", "assert": [{"type": "json_schema", "schema": {"type": "objekt"}}]}',
      '{"prompt": "x", "response_format": {"type": "json_schema", "schema": {"type": 1}}}',
    ].join('\n');
    expect(await faultsOf('a.jsonl', text)).toMatchInlineSnapshot(`
      "a.jsonl cannot be used:
      - line 2: temperature: expected at most 2; got the number 3.
      - line 3: max_tokens: unknown field. Use max_output_tokens.
      - line 4: prompt: required: give prompt (a text) or messages (a list of turns)
      - line 5: is not JSON. Expected one object on each line
      - line 6: expected an object such as {"prompt": "…"}
      - line 7: vars: {{what}} stands in the text, and there is no variable what (there are who). Write \\{{what}} for the braces themselves
      - line 8: id: "1" is that of line 1, too. Expected one of its own
      - line 9: assert[1].pattern: is no regular expression: Invalid regular expression: /(/: Unterminated group.
      - line 10: assert[0].icase: unknown field. Remove it.
      - line 11: assert[0].schema: is no usable JSON Schema: type: must be equal to one of the allowed values: ["array","boolean","integer","null","number","object","string"]
      - line 12: response_format.schema: is no usable JSON Schema: type: must be equal to one of the allowed values: ["array","boolean","integer","null","number","object","string"]"
    `);
  });

  test('what databases would keep nothing of is refused where it may not be empty', async () => {
    const text = [
      { id: '\0', prompt: 'a' },
      { prompt: 'a', stop: '\0' },
      { prompt: 'a', tools: [{ name: '\0', parameters: {} }] },
      { id: 'a\0', prompt: '\0' },
    ];
    const message = await faultsOf('a.jsonl', text.map((line) => JSON.stringify(line)).join('\n'));
    expect(message.split('\n').slice(1)).toEqual([
      '- line 1: id: expected other characters than U+0000',
      '- line 2: stop: expected other characters than U+0000',
      '- line 3: tools[0].name: expected other characters than U+0000',
    ]);
  });

  test('after twenty faults reading ends', async () => {
    const message = await faultsOf('a.jsonl', '{}\n'.repeat(100_000));
    expect(message.split('\n')).toHaveLength(22);
    expect(message).toContain('line 20:');
  });

  test('a text over the limit is refused with its length', async () => {
    expect(await faultsOf('a.jsonl', JSON.stringify({ prompt: '€'.repeat(400) }), { maxPromptBytes: 1_000 })).toContain(
      'line 1: its text is 1,200 bytes long; the limit is 1,000',
    );
  });

  test('a file without items, and one that is not UTF-8, are refused', async () => {
    expect(await faultsOf('a.jsonl', '\n \n')).toContain('the file: holds no item');
    async function* latin() {
      yield Buffer.from('{"prompt": "Gr\u00FC\u00DFe"}', 'latin1');
    }
    await expect(collect(parseBatchFile({ name: 'a.jsonl', content: latin() }))).rejects.toThrow('is not UTF-8');
  });

  test('lines of OpenAI’s batch files are read; the model is the batch’s affair', async () => {
    const line = {
      custom_id: 'req-1',
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: 'gpt-5-mini',
        messages: [
          { role: 'developer', content: 'Be kind.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Look' },
              { type: 'image_url', image_url: { url: 'https://a.test/b.png' } },
            ],
          },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: '42' },
        ],
        max_completion_tokens: 50,
        response_format: { type: 'json_object' },
        tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
        tool_choice: { type: 'function', function: { name: 'f' } },
      },
    };
    expect(await read('a.jsonl', JSON.stringify(line))).toEqual([
      {
        id: 'req-1',
        messages: [
          system('Be kind.'),
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Look' },
              { type: 'image', url: 'https://a.test/b.png' },
            ],
          },
          { role: 'assistant', content: [{ type: 'tool_call', id: 'c1', name: 'f', arguments: { a: 1 } }] },
          { role: 'user', content: [{ type: 'tool_result', toolCallId: 'c1', content: '42' }] },
        ],
        settings: {
          maxOutputTokens: 50,
          responseFormat: { type: 'json' },
          tools: [{ name: 'f', parameters: { type: 'object' } }],
          toolChoice: { name: 'f' },
        },
      },
    ]);
    expect(await faultsOf('a.jsonl', '{"custom_id": "a", "url": "/v1/embeddings", "body": {}}')).toContain(
      'line 1: url: expected "/v1/chat/completions"',
    );
  });

  test('of lines of OpenAI’s batch files nothing is dropped that would change the answer; what says nothing is', async () => {
    const lineOf = (body: object, parts: object[] = [{ type: 'text', text: 'Look' }]) =>
      JSON.stringify({ custom_id: 'a', body: { messages: [{ role: 'user', content: parts }], ...body } });
    const image = (more: object) => ({ type: 'image_url', image_url: { url: 'https://a.test/b.png', ...more } });
    const quiet = {
      temperature: null,
      stop: null,
      logprobs: false,
      top_logprobs: null,
      parallel_tool_calls: true,
      response_format: { type: 'json_schema', json_schema: { name: 'f', strict: true, schema: { type: 'object' } } },
      tools: [{ type: 'function', function: { name: 'f', strict: false } }],
      messages: [
        { role: 'user', content: [image({ detail: 'auto' })] },
        { role: 'assistant', content: 'Yes.', refusal: null, audio: null, tool_calls: null },
        { role: 'user', content: 'Why?' },
      ],
    };
    expect(await read('a.jsonl', lineOf(quiet))).toEqual([
      {
        id: 'a',
        messages: [
          { role: 'user', content: [{ type: 'image', url: 'https://a.test/b.png' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Yes.' }] },
          user('Why?'),
        ],
        settings: {
          responseFormat: { type: 'json_schema', name: 'f', schema: { type: 'object' } },
          tools: [{ name: 'f', parameters: { type: 'object' } }],
        },
      },
    ]);
    const faulty = [
      lineOf({}, [image({ detail: 'low' })]),
      lineOf({ tools: [{ type: 'function', function: { name: 'f', strict: true } }] }),
      lineOf({ logprobs: true, parallel_tool_calls: false }),
      lineOf({ messages: [{ role: 'user', content: 'x', name: 'ann' }] }),
      lineOf({ response_format: { type: 'json_schema', json_schema: { schema: {}, description: 'x' } } }),
    ];
    expect(await faultsOf('a.jsonl', faulty.join('\n'))).toMatchInlineSnapshot(`
      "a.jsonl cannot be used:
      - line 1: messages[0].content[0].detail: unknown field. Remove it.
      - line 2: tools[0].strict: unknown field. Remove it.
      - line 3: logprobs: unknown field. Remove it, or use one of: id, prompt, messages, vars, assert, system, max_output_tokens, temperature, top_p, stop, seed, response_format, reasoning_effort, images, tools, tool_choice, top_k, presence_penalty, frequency_penalty, service_tier, user, prompt_cache.
      - line 3: parallel_tool_calls: unknown field. Remove it, or use one of: id, prompt, messages, vars, assert, system, max_output_tokens, temperature, top_p, stop, seed, response_format, reasoning_effort, images, tools, tool_choice, top_k, presence_penalty, frequency_penalty, service_tier, user, prompt_cache.
      - line 4: messages[0].name: unknown field. Remove it.
      - line 5: response_format.description: unknown field. Remove it."
    `);
  });

  test('what was read is not kept: 100 MB go through in little memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void; // the flag above makes it
    async function* many() {
      for (let index = 0; index < 5_000; index += 1) yield `{"prompt": "Question ${index} ${'x'.repeat(20_000)}"}\n`;
    }
    collect();
    const before = process.memoryUsage().heapUsed;
    let [count, peak] = [0, 0];
    for await (const item of parseBatchFile({ name: 'a.jsonl', content: many() })) {
      count += item.messages.length;
      if (count % 1_000 !== 0) continue;
      collect();
      peak = Math.max(peak, process.memoryUsage().heapUsed - before);
    }
    expect(count).toBe(5_000);
    expect(peak).toBeLessThan(20e6);
  });
});

describe('CSV', () => {
  test('quoted newlines, doubled quotes, a byte order mark and CRLF are read', async () => {
    const text = '\uFEFFid,prompt\r\na,"two\r\nlines, ""quoted"""\r\n\r\nb,plain\r\n';
    expect(await read('a.csv', text)).toEqual([
      { id: 'a', messages: [user('two\r\nlines, "quoted"')] },
      { id: 'b', messages: [user('plain')] },
    ]);
  });

  test('columns are variables of the template, and expected answers become assertions', async () => {
    const text = [
      'city;expected;__expected2',
      'Paris;contains: France;',
      'Rome;Note: Italy;similar(0.5): italia',
      'Bonn;is-json;cost(0.002)',
    ].join('\n');
    expect(await read('a.csv', text, { template: 'Where is {{city}}?' })).toEqual([
      {
        id: '1',
        messages: [user('Where is Paris?')],
        vars: { city: 'Paris' },
        assertions: [{ type: 'contains', value: 'France' }],
      },
      {
        id: '2',
        messages: [user('Where is Rome?')],
        vars: { city: 'Rome' },
        assertions: [
          { type: 'equals', value: 'Note: Italy' },
          { type: 'similarity', value: 'italia', threshold: 0.5 },
        ],
      },
      {
        id: '3',
        messages: [user('Where is Bonn?')],
        vars: { city: 'Bonn' },
        assertions: [{ type: 'json_schema' }, { type: 'max_cost', nanoUsd: 2_000_000 }],
      },
    ]);
  });

  test('tabs divide, where the heading has them and no comma', async () => {
    expect(await read('a.csv', 'id\tprompt\nx\ta, b; c\n')).toEqual([{ id: 'x', messages: [user('a, b; c')] }]);
    expect(await read('a.tsv', 'id\tprompt,x\nx\ta\n', { template: 'p' })).toHaveLength(1);
  });

  test('faults name row and line', async () => {
    const text =
      'prompt,lang,expected\n"a\nb {{lang}}",de,x\nonly\n{{langue}},fr,llm-rubric: is polite\n{{langue}},fr,';
    expect(await faultsOf('a.csv', text)).toMatchInlineSnapshot(`
      "a.csv cannot be used:
      - row 2 (line 4): expected 3 cells as in the heading, got 1
      - row 3 (line 5): expected: expected contains, not_contains, equals, regex, json_schema, similarity, max_cost, max_latency; got "llm-rubric". For a model’s opinion give the batch a judge.
      - row 4 (line 6): vars: {{langue}} stands in the text, and there is no variable langue (there are lang). Write \\{{langue}} for the braces themselves"
    `);
    expect(await faultsOf('a.csv', 'prompt,expected,__expected2\na,yes,Latency: 5 ms\nb,regex: (,')).toBe(
      [
        'a.csv cannot be used:',
        '- row 1 (line 2): __expected2: ms: expected a number, got the text "5 ms". For the text itself write equals: before it',
        '- row 2 (line 3): expected: pattern: is no regular expression: Invalid regular expression: /(/: Unterminated group. For the text itself write equals: before it',
      ].join('\n'),
    );
    expect(await faultsOf('a.csv', 'id,id\n1,2\n')).toContain('the heading: the column id is there twice');
    expect(await faultsOf('a.csv', 'city\nRome\n')).toContain('expected a column prompt, or a template');
    expect(await faultsOf('a.csv', 'prompt\n"never closed\n')).toContain('is not CSV');
    expect(await faultsOf('a.csv', 'prompt\n')).toContain('holds no item');
  });
});

describe('JSON', () => {
  test('a template makes an item of every combination of its variables', async () => {
    const spec = {
      prompt: 'Say {{word}} in {{lang}}, {{tone}}.',
      system: 'Speak {{lang}}.',
      vars: { word: 'yes', lang: ['de', 'fr'], tone: ['kindly', 'curtly'] },
      temperature: 0,
      assert: ['contains: {{lang}}'],
    };
    const items = await read('a.json', JSON.stringify(spec, undefined, 2));
    expect(items.map(({ id, messages }) => [id, messages.at(-1)])).toEqual([
      ['1', user('Say yes in de, kindly.')],
      ['2', user('Say yes in de, curtly.')],
      ['3', user('Say yes in fr, kindly.')],
      ['4', user('Say yes in fr, curtly.')],
    ]);
    expect(items[3]).toMatchObject({
      messages: [system('Speak fr.'), {}],
      vars: { word: 'yes', lang: 'fr', tone: 'curtly' },
      settings: { temperature: 0 },
      assertions: [{ type: 'contains', value: 'fr' }],
    });
  });

  test('assertions of a template are filled whole: a pattern takes a value as the text that it is', async () => {
    const spec = {
      prompt: 'Say {{word}}, {{count}} times.',
      vars: { word: ['a.b-(c)', 'x'], count: 2 },
      assert: [
        'regex: ^({{word}} ?){1,{{count}}}[{{word}}]$',
        {
          type: 'json_schema',
          schema: { required: ['{{word}}'], properties: { '{{word}}': { const: '{{word}}' }, n: { minimum: 1 } } },
        },
      ],
    };
    const items = await read('a.json', JSON.stringify(spec));
    const [first, second] = items.map(({ assertions = [] }) => assertions);
    expect(first).toEqual([
      { type: 'regex', pattern: String.raw`^(a\.b\x2d\(c\) ?){1,2}[a\.b\x2d\(c\)]$` },
      {
        type: 'json_schema',
        schema: { required: ['a.b-(c)'], properties: { 'a.b-(c)': { const: 'a.b-(c)' }, n: { minimum: 1 } } },
      },
    ]);
    expect(second?.[0]).toEqual({ type: 'regex', pattern: '^(x ?){1,2}[x]$' });
    const faulty = {
      ...spec,
      assert: ['regex: {{wort}}', 'regex: a{2,{{count}}}'],
      vars: { ...spec.vars, count: [2, 1] },
    };
    const message = await faultsOf('a.json', JSON.stringify(faulty));
    expect(message).toContain('there is no variable wort');
    expect(message).toContain('combination 2: assert[1].pattern: is no regular expression');
  });

  test('a list of items is read as lines are', async () => {
    expect(await read('a.json', '[{"prompt": "a"}, {"prompt": "b", "id": "x"}]')).toEqual([
      { id: '1', messages: [user('a')] },
      { id: 'x', messages: [user('b')] },
    ]);
    expect(await faultsOf('a.json', '[{"prompt": "a"}, {}]')).toContain('entry 2: prompt: required');
  });

  test.each([
    ['[\n  {"prompt": "a"},\n  {"prompt": },\n  {"prompt": "c"}\n]', 3],
    ['[\n  {"prompt": "a"}\n  {"prompt": "b"}\n]', 3],
    ['[\n  {"prompt": "a"},\n  {"prompt": "b"},\n]\n', 4],
    ['[\n  {"prompt": "a"},\n  {"prompt": "b"}\n', 3],
    ['[\n  {"prompt": "a\nb"},\n  {}]', 2],
    ['{"prompt": "a"}\n{"prompt": "b"}\n', 2],
  ])('what is no JSON is told with its line: %j', async (text, line) => {
    expect(await faultsOf('a.json', text)).toContain(`line ${line}: is not JSON`);
  });

  test('what is missing in a template is named', async () => {
    expect(await faultsOf('a.json', '{"prompt": "{{a}}", "vars": {"b": [1]}}')).toContain(
      'no variable a (there are b)',
    );
    expect(await faultsOf('a.json', '{"prompt": "{{a}}", "vars": {"a": []}}')).toContain(
      'vars.a: expected at least one',
    );
    const ten = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`v${index}`, Array(10).fill('x')]));
    expect(await faultsOf('a.json', JSON.stringify({ prompt: 'x', vars: ten }))).toContain('10000000 combinations');
  });
});
