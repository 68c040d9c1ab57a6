import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { generationFields } from '../src/format/generation.ts';
import { tools } from '../src/tools/index.ts';
import { connect, eras } from './support/connect.ts';

const noManager = () => Promise.reject(new Error('lists must not need the manager'));

describe.each(eras)('lists in version %s', (era) => {
  it('name every tool with its hints and its inputs in order of importance', async () => {
    const client = await connect(noManager, { era });
    const { tools: listed } = await client.listTools();
    const lines = listed.map(({ name, annotations, inputSchema }) => {
      const hints = Object.entries(annotations ?? {}).flatMap(([hint, on]) => (on ? [hint] : []));
      return `${name} [${hints.join(' ')}] ${Object.keys(inputSchema.properties ?? {}).join(' ')}`;
    });
    expect(lines).toMatchInlineSnapshot(`
      [
        "generate [openWorldHint] prompt messages model system max_output_tokens temperature top_p stop seed response_format reasoning_effort images tools tool_choice conversation_id save_conversation history route fallbacks cache background max_wait_seconds timeout_seconds tags allow_restart top_k presence_penalty frequency_penalty service_tier user prompt_cache",
        "compare_models [openWorldHint] prompt messages models system max_output_tokens temperature top_p stop seed response_format reasoning_effort images tools tool_choice judge criteria background max_wait_seconds timeout_seconds tags top_k presence_penalty frequency_penalty service_tier user prompt_cache",
        "start_batch [openWorldHint] prompts items file template models system max_output_tokens temperature top_p stop seed response_format reasoning_effort assertions judge criteria judge_mode max_cost_usd name lane wait_seconds timeout_seconds tags",
        "list_models [readOnlyHint idempotentHint openWorldHint] provider capability search refresh",
        "get_model_info [readOnlyHint idempotentHint] model",
        "estimate_cost [readOnlyHint idempotentHint] prompt messages models max_output_tokens",
        "get_usage_stats [readOnlyHint idempotentHint] period from to group_by time_zone provider model client tag",
        "check_health [readOnlyHint idempotentHint openWorldHint] provider deep",
        "get_job [readOnlyHint idempotentHint] job_id wait_seconds cursor limit",
        "cancel_job [destructiveHint idempotentHint] job_id",
        "list_jobs [readOnlyHint idempotentHint] kind status limit cursor",
        "list_conversations [readOnlyHint idempotentHint] search limit cursor",
        "get_conversation [readOnlyHint idempotentHint] conversation_id limit cursor",
        "delete_conversation [destructiveHint idempotentHint] conversation_id",
        "get_preferences [readOnlyHint idempotentHint] ",
        "set_preference [destructiveHint idempotentHint] name model system max_output_tokens temperature top_p stop seed reasoning_effort client top_k presence_penalty frequency_penalty service_tier prompt_cache",
      ]
    `);
  });

  it('give each tool a title, a description, an output schema and all four hints', async () => {
    const client = await connect(noManager, { era });
    const { tools: listed } = await client.listTools();
    const hints = ['destructiveHint', 'idempotentHint', 'openWorldHint', 'readOnlyHint'];
    const incomplete = listed.filter(
      ({ title, description, inputSchema, outputSchema, annotations }) =>
        !title ||
        !description ||
        inputSchema['additionalProperties'] !== false ||
        outputSchema?.type !== 'object' ||
        Object.keys(annotations ?? {})
          .toSorted()
          .join() !== hints.join(),
    );
    expect(incomplete).toEqual([]);
  });

  it('let large answers through to Claude Code', async () => {
    const client = await connect(noManager, { era });
    const { tools: listed } = await client.listTools();
    const raised = listed.filter(({ _meta }) => _meta?.['anthropic/maxResultSizeChars'] !== undefined);
    expect(raised.map(({ name }) => name)).toEqual(['generate', 'compare_models', 'get_job', 'get_conversation']);
  });

  it('name the resources, and say what the server is for', async () => {
    const client = await connect(noManager, { era });
    const { resources } = await client.listResources();
    expect(resources.map(({ uri, mimeType }) => `${uri} ${mimeType}`)).toEqual([
      'stats://usage application/json',
      'config://providers application/json',
      'models://catalog application/json',
      'health://providers application/json',
    ]);
    expect(client.getInstructions()).toContain('list_models');
    expect(client.getServerVersion()).toMatchObject({ name: 'ai-model-manager', version: '9.9.9' });
  });
});

it('lists may be kept for an hour, since they do not change', async () => {
  const client = await connect(noManager);
  expect(await client.listTools()).toMatchObject({ ttlMs: 3_600_000, cacheScope: 'public' });
});

it('what models read of the tools stays below 24,500 characters', () => {
  const size = tools.reduce(
    (sum, { name, title, description, inputSchema }) =>
      sum +
      JSON.stringify([name, title, description, inputSchema['~standard'].jsonSchema.input({ target: 'draft-2020-12' })])
        .length,
    0,
  );
  expect(size).toBeLessThan(24_500);
});

it('every file of the tools folder is in the registry, under the name of its tool', () => {
  const files = readdirSync(new URL('../src/tools/', import.meta.url)).filter((file) => file !== 'index.ts');
  const names = tools.map(({ name }) => `${name.replaceAll('_', '-')}.ts`);
  expect(names.toSorted()).toEqual(files.toSorted());
});

it('an unknown tool is a protocol error', async () => {
  const client = await connect(noManager);
  await expect(client.callTool({ name: 'generate_text', arguments: {} })).rejects.toMatchObject({ code: -32_602 });
});

it('docs/tools.md tells every field that generate returns', () => {
  const page = readFileSync(new URL('../../../docs/tools.md', import.meta.url), 'utf8');
  const [, returned = ''] = /### generate\n.*?^Returns (.*?)\n###/ms.exec(page) ?? [];
  expect(Object.keys(generationFields).filter((name) => !returned.includes(`\`${name}\``))).toEqual([]);
});
