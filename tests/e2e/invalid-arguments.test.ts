import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { vendors } from '../support/vendors.ts';

const ask = { prompt: 'Hi' };
const two = { ...ask, models: ['openai/gpt-6.1-terra', 'ollama/llama3.2'] };
const job = { job_id: 'gen_0198c0de-0000-7000-8000-000000000001' };

/** For every tool, every kind of fault its input can have: what the answer must name of field and fix. */
const cases: [tool: string, args: Record<string, unknown>, told: string[]][] = [
  ['generate', {}, ['prompt', 'required', 'messages']],
  ['generate', { prompt: '' }, ['prompt', 'must not be empty']],
  ['generate', { prompt: 42 }, ['prompt', 'expected a text', 'the number 42']],
  ['generate', { ...ask, messages: [{ role: 'user', content: 'Hi' }] }, ['prompt or messages, not both']],
  ['generate', { messages: [] }, ['messages', 'at least 1 entry']],
  ['generate', { messages: [{ role: 'bot', content: 'Hi' }] }, ['messages[0].role', '"assistant"']],
  ['generate', { messages: [{ role: 'system', content: 'Hi' }] }, ['messages', 'user turn']],
  ['generate', { messages: [{ role: 'tool', content: '42' }] }, ['messages[0].tool_call_id', 'required']],
  ['generate', { ...ask, model: '' }, ['model', 'must not be empty']],
  ['generate', { ...ask, model: ['a', 'b'] }, ['model', 'expected a text', 'a list of 2']],
  ['generate', { ...ask, max_tokens: 10 }, ['max_tokens', 'unknown field', 'max_output_tokens']],
  ['generate', { ...ask, topP: 1 }, ['topP', 'unknown field', 'top_p']],
  ['generate', { ...ask, colour: 'red' }, ['colour', 'unknown field', 'use one of']],
  ['generate', { ...ask, max_output_tokens: 0 }, ['max_output_tokens', '0']],
  ['generate', { ...ask, temperature: '0.7' }, ['temperature', 'a number', 'without quotes']],
  ['generate', { ...ask, temperature: 3 }, ['temperature', 'at most 2']],
  ['generate', { ...ask, top_p: -1 }, ['top_p', 'at least 0']],
  ['generate', { ...ask, stop: 5 }, ['stop', 'list']],
  ['generate', { ...ask, seed: 1.5 }, ['seed', 'whole number']],
  ['generate', { ...ask, seed: null }, ['seed', 'Leave the field out']],
  ['generate', { ...ask, response_format: 'xml' }, ['response_format', 'json']],
  ['generate', { ...ask, reasoning_effort: 'huge' }, ['reasoning_effort', '"high"']],
  ['generate', { ...ask, images: ['/home/me/cat.png'] }, ['images[0]', 'https']],
  ['generate', { ...ask, tools: [{ name: 'x', parameters: 'none' }] }, ['tools[0].parameters', 'object']],
  ['generate', { ...ask, tool_choice: 'auto' }, ['tool_choice', 'tools']],
  ['generate', { ...ask, conversation_id: '7' }, ['conversation_id', 'conv_']],
  ['generate', { ...ask, save_conversation: 'yes' }, ['save_conversation', 'true or false']],
  ['generate', { ...ask, route: 'best' }, ['route "best"', 'cheapest']],
  ['generate', { ...ask, fallbacks: 'ollama/llama3.2' }, ['fallbacks', 'a list', 'brackets']],
  ['generate', { ...ask, cache: 'true' }, ['cache', 'true or false', 'without quotes']],
  ['generate', { ...ask, background: 1 }, ['background', 'true or false']],
  ['generate', { ...ask, max_wait_seconds: -1 }, ['max_wait_seconds', 'more than 0']],
  ['generate', { ...ask, timeout_seconds: 'soon' }, ['timeout_seconds', 'a number']],
  ['generate', { ...ask, tags: 'mine' }, ['tags', 'a list']],
  ['compare_models', ask, ['models', 'required']],
  ['compare_models', { ...two, prompt: undefined }, ['prompt', 'required']],
  ['compare_models', { ...ask, models: ['ollama/llama3.2'] }, ['models', 'at least 2']],
  ['compare_models', { ...ask, models: Array.from({ length: 11 }, () => 'm') }, ['models', 'at most 10']],
  ['compare_models', { ...ask, models: 'ollama/llama3.2' }, ['models', 'a list', 'brackets']],
  ['compare_models', { ...ask, models: ['ollama/llama3.2', 'ollama/llama3.2'] }, ['ollama/llama3.2', 'twice', 'once']],
  ['compare_models', { ...two, model: 'ollama/llama3.2' }, ['model', 'unknown field']],
  ['compare_models', { ...two, criteria: 'short' }, ['criteria', 'judge']],
  ['compare_models', { ...two, judge: 7 }, ['judge', 'a text']],
  ['compare_models', { ...two, temperature: 'hot' }, ['temperature', 'a number']],
  ['list_models', { provider: 'opneai' }, ['opneai', 'openai, anthropic']],
  ['list_models', { provider: '' }, ['provider', 'must not be empty']],
  ['list_models', { capability: 'singing' }, ['capability', '"tools"']],
  ['list_models', { search: 5 }, ['search', 'a text']],
  ['list_models', { refresh: 1 }, ['refresh', 'true or false']],
  ['list_models', { filter: 'x' }, ['filter', 'unknown field', 'search']],
  ['get_model_info', {}, ['model', 'required']],
  ['get_model_info', { model: 'gpt-6.1-tera' }, ['gpt-6.1-tera', 'openai/gpt-6.1-terra']],
  ['get_model_info', { model: 'x'.repeat(301) }, ['model', 'at most 300']],
  ['get_model_info', { id: 'gpt-5' }, ['id', 'unknown field', 'model']],
  ['get_usage_stats', { period: '3d' }, ['period', '"24h"']],
  ['get_usage_stats', { period: '24h', from: '2026-01-01' }, ['period', 'from/to', 'not both']],
  ['get_usage_stats', { from: 'yesterday' }, ['from', '2026-11-22']],
  ['get_usage_stats', { from: '2026-02-01', to: '2026-01-01' }, ['from', 'before to']],
  ['get_usage_stats', { to: '2026-01-01' }, ['from', 'required with to']],
  ['get_usage_stats', { group_by: 'colour' }, ['group_by', '"provider"']],
  ['get_usage_stats', { days: 7 }, ['days', 'unknown field', 'period']],
  ['check_health', { provider: 'opneai' }, ['opneai', 'openai, anthropic']],
  ['check_health', { deep: 'true' }, ['deep', 'without quotes']],
  ['check_health', { verbose: true }, ['verbose', 'unknown field', 'deep']],
  ['get_job', {}, ['job_id', 'required']],
  ['get_job', { job_id: '17' }, ['job_id', 'gen_']],
  ['get_job', { id: job.job_id }, ['id', 'unknown field', 'job_id']],
  ['get_job', { ...job, wait_seconds: -1 }, ['wait_seconds', 'at least 0']],
  ['get_job', { ...job, wait_seconds: 'long' }, ['wait_seconds', 'a number']],
  ['get_job', { ...job, cursor: 'x' }, ['cursor', 'next_cursor']],
  ['get_job', { ...job, limit: 0 }, ['limit', 'at least 1']],
  ['cancel_job', {}, ['job_id', 'required']],
  ['cancel_job', { job_id: 12 }, ['job_id', 'a text']],
  ['cancel_job', { ...job, force: true }, ['force', 'unknown field', 'job_id']],
  ['list_conversations', { limit: 0 }, ['limit', 'at least 1']],
  ['list_conversations', { query: 'fox' }, ['query', 'unknown field', 'search']],
  ['list_conversations', { cursor: 'made up' }, ['cursor']],
  ['get_conversation', {}, ['conversation_id', 'required']],
  ['get_conversation', { conversation_id: 'conv_0198c0de-0000-7000-8000-000000000001' }, ['no conversation']],
  ['get_conversation', { conversation_id: 'conv_0198c0de-0000-7000-8000-000000000001', cursor: 'x' }, ['next_cursor']],
  ['start_batch', { prompts: ['Hi'] }, ['models', 'required']],
  ['start_batch', { models: ['openai/gpt-5-mini'] }, ['prompts']],
  ['start_batch', { prompts: [], models: ['openai/gpt-5-mini'] }, ['prompts']],
  [
    'start_batch',
    { prompts: ['Hi'], models: ['openai/gpt-nonesuch-mini', 'openai/gpt-5-mini'], lane: 'fast' },
    ['lane'],
  ],
  ['start_batch', { prompts: ['Hi'], models: ['nobody/some-model'] }, ['nobody']],
  [
    'start_batch',
    { prompts: ['Hi'], models: ['openai/gpt-5-mini'], max_cost_usd: 1e12 },
    ['max_cost_usd', 'at most 1000000'],
  ],
  ['delete_conversation', {}, ['conversation_id', 'required']],
  ['estimate_cost', { prompt: 'Hi' }, ['models', 'required']],
  ['estimate_cost', { prompt: 'Hi', models: [] }, ['models']],
  ['estimate_cost', { models: ['openai/gpt-5-mini'] }, ['prompt']],
  ['list_jobs', { status: 'lost' }, ['status', '"queued"']],
  ['list_jobs', { limit: 101 }, ['limit', 'at most 100']],
  ['get_preferences', { name: 'fast' }, ['name', 'unknown field']],
  ['set_preference', {}, ['name', 'required']],
  ['set_preference', { name: 'openai/own', model: 'openai/gpt-5-mini' }, ['openai/own']],
  ['set_preference', { name: 'loop', model: 'fast' }, ['fast']],
  ['delete_conversation', { conversation_id: 'conv_0198c0de-0000-7000-8000-000000000001' }, ['no conversation']],
];

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.end());

describe.each(mixedFaces)('arguments at fault, over $transport in $era:', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });

  test.each(cases)('%s %j', async (tool, args, told) => {
    const { isError, text } = await mcp.call(tool, args);
    expect(isError).toBe(true);
    for (const part of told) expect(text).toContain(part);
    expect(text).toMatch(/\(error: (invalid_request|unknown_model)\)$/);
  });

  test('cost nothing: vendors were asked for their lists of models, where an unknown name was looked for, and for nothing else', async () => {
    const requests = await deployment.requestIds();
    expect(requests.filter((id) => !id.startsWith('probe_'))).toEqual([]);
    expect(requests.length).toBeLessThanOrEqual(vendors.length);
    expect(deployment.vendors.calls()).toEqual([]);
  });

  test('are there for every tool that is listed', async () => {
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual([...new Set(cases.map(([tool]) => tool))].toSorted());
  });

  test('a tool that does not exist is a protocol error', async () => {
    await expect(mcp.client.callTool({ name: 'make_coffee', arguments: {} })).rejects.toMatchObject({ code: -32_602 });
  });
});
