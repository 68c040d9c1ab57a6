import { expect, it } from 'vitest';
import { callTool, connect, eras } from './support/connect.ts';

const ask = { prompt: 'Hi' };

const cases: [tool: string, args: Record<string, unknown>, told: string[]][] = [
  ['generate', {}, ['prompt', 'required', 'messages']],
  ['generate', { prompt: '' }, ['prompt', 'must not be empty']],
  ['generate', { prompt: 'Hi', messages: [{ role: 'user', content: 'Hi' }] }, ['prompt or messages, not both']],
  ['generate', { prompt: 42 }, ['prompt', 'expected a text', 'got the number 42']],
  ['generate', { ...ask, max_tokens: 10 }, ['max_tokens: unknown field', 'Use max_output_tokens']],
  ['generate', { ...ask, topP: 1 }, ['topP: unknown field', 'Use top_p']],
  ['generate', { ...ask, banana: 1 }, ['banana: unknown field', 'use one of: prompt, messages, model']],
  ['generate', { ...ask, temperature: '0.7' }, ['temperature', 'expected a number', 'without quotes']],
  ['generate', { ...ask, temperature: 3 }, ['temperature', 'at most 2', '3']],
  ['generate', { ...ask, seed: 1.5 }, ['seed', 'whole number']],
  ['generate', { ...ask, seed: null }, ['seed', 'null', 'Leave the field out']],
  ['generate', { ...ask, cache: 'true' }, ['cache', 'true or false', 'without quotes']],
  ['generate', { ...ask, stop: 5 }, ['stop', 'a text or a list of up to 16 texts']],
  ['generate', { ...ask, fallbacks: 'openai/gpt-5' }, ['fallbacks', 'expected a list', 'brackets']],
  ['generate', { ...ask, route: 'r'.repeat(65) }, ['route', '64']],
  ['generate', { ...ask, response_format: 'xml' }, ['response_format', '"json"', 'json_schema']],
  ['generate', { ...ask, reasoning_effort: 'huge' }, ['reasoning_effort', '"high"']],
  ['generate', { ...ask, images: ['/home/me/cat.png'] }, ['images[0]', 'data URL', 'https']],
  ['generate', { ...ask, images: [{ data: 'AAAA' }] }, ['images[0]', 'media_type']],
  ['generate', { ...ask, tool_choice: 'auto' }, ['tool_choice', 'needs tools']],
  ['generate', { ...ask, tools: [{ name: 'x', parameters: 'none' }] }, ['tools[0].parameters', 'object']],
  ['generate', { ...ask, conversation_id: '7' }, ['conversation_id', 'conv_']],
  [
    'generate',
    { ...ask, conversation_id: 'conv_0198c0de-0000-7000-8000-000000000003', save_conversation: false },
    ['save_conversation', 'conversation_id', 'always saved'],
  ],
  ['generate', { ...ask, max_wait_seconds: -1 }, ['max_wait_seconds', 'more than 0']],
  ['generate', { messages: [] }, ['messages', 'at least 1 entry']],
  ['generate', { messages: [{ role: 'system', content: 'Be kind' }] }, ['messages', 'at least one user turn']],
  ['generate', { messages: [{ role: 'bot', content: 'Hi' }] }, ['messages[0].role', '"assistant"']],
  ['generate', { messages: [{ role: 'user', content: 7 }] }, ['messages[0].content', 'a text or a list of parts']],
  [
    'generate',
    { messages: [{ role: 'user', content: [{ type: 'video' }] }] },
    ['messages[0].content', 'part 1', 'expected type text'],
  ],
  [
    'generate',
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'text', txt: 'Hi' },
          ],
        },
      ],
    },
    ['messages[0].content', 'part 2'],
  ],
  [
    'generate',
    {
      messages: [
        { role: 'system', content: [{ type: 'image', url: 'https://x.test/a.png' }] },
        { role: 'user', content: 'Hi' },
      ],
    },
    ['messages[0].content[0]', 'a system message holds text', 'not image'],
  ],
  ['generate', { messages: [{ role: 'tool', content: '42' }] }, ['messages[0].tool_call_id', 'required']],
  ['generate', { prompt: 'x'.repeat(1001) }, ['1,001 bytes', '1,000 bytes', 'AIMM_MAX_PROMPT_BYTES']],
  ['generate', { ...ask, system: '€'.repeat(400) }, ['1,202 bytes', 'AIMM_MAX_PROMPT_BYTES']],
  ['compare_models', { ...ask, models: ['openai/gpt-5'] }, ['models', 'at least 2 entries']],
  ['compare_models', { ...ask, models: Array.from({ length: 11 }, () => 'm') }, ['models', 'at most 10 entries']],
  ['compare_models', { ...ask, models: 'openai/gpt-5' }, ['models', 'expected a list']],
  ['compare_models', ask, ['models', 'required']],
  ['compare_models', { ...ask, models: ['a', 'b'], model: 'a' }, ['model: unknown field']],
  ['compare_models', { ...ask, models: ['a', 'b'], criteria: 'short' }, ['criteria', 'needs judge']],
  ['list_models', { capability: 'singing' }, ['capability', '"tools"']],
  ['list_models', { refresh: 1 }, ['refresh', 'true or false']],
  ['get_model_info', {}, ['model', 'required']],
  ['get_usage_stats', { period: '24h', from: '2026-01-01' }, ['period or from/to']],
  ['get_usage_stats', { from: 'yesterday' }, ['from', '2026-11-22']],
  ['get_usage_stats', { from: '2026-02-01', to: '2026-01-01' }, ['from', 'before to']],
  ['get_usage_stats', { to: '2026-01-01' }, ['from', 'required with to']],
  ['get_usage_stats', { time_zone: 'Berlin' }, ['time_zone', 'Europe/Berlin']],
  ['get_usage_stats', { group_by: 'colour' }, ['group_by', '"provider"']],
  ['check_health', { deep: 'true' }, ['deep', 'without quotes']],
  ['get_job', { job_id: '17' }, ['job_id', 'gen_']],
  ['get_job', { id: 'gen_1' }, ['id: unknown field', 'Use job_id']],
  ['get_job', { job_id: 'gen_0198c0de-0000-7000-8000-000000000001', cursor: 'x' }, ['cursor', 'next_cursor']],
  ['cancel_job', {}, ['job_id', 'required']],
];

const named = cases.map(([tool, args, told]) => [tool, JSON.stringify(args).slice(0, 80), args, told] as const);

it.each(named)('%s %s is an error that names the fault and the way out', async (tool, _name, args, told) => {
  const client = await connect(() => Promise.reject(new Error('bad input must not reach the manager')));
  const { isError, text } = await callTool(client, tool, args);
  expect(isError).toBe(true);
  expect(text).toHaveLength(1);
  for (const part of told) expect(text[0]).toContain(part);
  expect(text[0]).toMatch(/Nothing was (done|sent)/);
  expect(text[0]).toContain('(error: invalid_request)');
});

it.each([
  [
    'a schema',
    (deep: unknown) => ({ response_format: { type: 'json_schema', schema: { x: deep } } }),
    'response_format',
  ],
  ['a tool', (deep: unknown) => ({ tools: [{ name: 'f', parameters: { x: deep } }] }), 'tools[0].parameters'],
  [
    'a tool call',
    (deep: unknown) => {
      const parts = [{ type: 'tool_call', id: '1', name: 'f', arguments: { x: deep } }];
      return { prompt: undefined, messages: [{ role: 'assistant', content: parts }] };
    },
    'messages[0].content',
  ],
])('JSON in %s that is too deep for the way to a worker is refused at once', async (_name, toArgs, place) => {
  const client = await connect(() => Promise.reject(new Error('bad input must not reach the manager')));
  let deep: unknown = 1;
  for (let level = 0; level < 3_000; level += 1) deep = [deep];
  const { text } = await callTool(client, 'generate', { prompt: 'Hi', ...toArgs(deep) });
  expect(text[0]).toContain(place);
  expect(text[0]).toContain('(error: invalid_request)');
});

it('all faults are told at once', async () => {
  const client = await connect(() => Promise.reject(new Error('unreached')));
  const { text } = await callTool(client, 'generate', { prompt: 1, temperature: 'hot', max_tokens: 3, cache: 'no' });
  expect(text[0]).toMatchInlineSnapshot(`
    "Invalid arguments for generate:
    - prompt: expected a text, got the number 1.
    - temperature: expected a number, got the text "hot".
    - cache: expected true or false, got the text "no".
    - max_tokens: unknown field. Use max_output_tokens.
    Nothing was done. Correct these and call generate again.
    (error: invalid_request)"
  `);
});

it('a long value is not repeated in the error', async () => {
  const client = await connect(() => Promise.reject(new Error('unreached')));
  const { text } = await callTool(client, 'generate', { prompt: 'Hi', temperature: 'x'.repeat(5000) });
  expect(text[0]?.length).toBeLessThan(400);
});

it.each(eras)('programs find the code of an error in version %s', async (era) => {
  const client = await connect(() => Promise.reject(new Error('unreached')), { era });
  const { structured } = await callTool(client, 'generate', {});
  expect(structured).toMatchObject({ status: 'failed', error: { code: 'invalid_request', retryable: false } });
});
