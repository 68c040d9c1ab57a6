import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import type { McpClient } from '../support/mcp-client.ts';
import { runAimm } from '../support/run-aimm.ts';
import { vendorModels } from '../support/vendors.ts';

let deployment: Deployment;
let stdio: McpClient;
let http: McpClient;
beforeAll(async () => {
  deployment = await startDeployment();
  [stdio, http] = await Promise.all([
    deployment.connect({ transport: 'stdio', era: '2025-11-25' }),
    deployment.connect({ transport: 'HTTP', era: '2026-07-28' }),
  ]);
});
afterAll(() => deployment?.end());

/** Runs `aimm` beside the deployment. */
const aimm = (...args: string[]) => runAimm({ ...deployment.environment, LOG_LEVEL: 'silent' }, args);

test('a conversation goes from client to client and vendor to vendor, is found, read, exported and deleted', async () => {
  const begun = await stdio.call('generate', {
    prompt: 'Remember the word heliotrope',
    system: 'Be brief.',
    model: vendorModels.openai,
    save_conversation: true,
  });
  const { conversation_id: id } = begun.structured as { conversation_id: string };
  expect(id).toMatch(/^conv_/);
  const others = [vendorModels.anthropic, vendorModels.google, vendorModels.mistral, vendorModels.ollama];
  for (const [turn, model] of others.entries()) {
    const client = turn % 2 === 0 ? http : stdio;
    const next = await client.call('generate', { prompt: `and turn ${turn}?`, model, conversation_id: id });
    expect(next.isError).toBe(false);
    expect(next.structured.conversation_id).toBe(id);
  }

  const list = await http.call('list_conversations', { search: 'HELIOTROPE' });
  expect(list.structured.conversations).toMatchObject([
    {
      conversation_id: id,
      title: 'Remember the word heliotrope',
      turns: 5,
      snippet: expect.stringContaining('**heliotrope**'),
    },
  ]);
  const first = await stdio.call('get_conversation', { conversation_id: id, limit: 3 });
  const rest = await http.call('get_conversation', { conversation_id: id, cursor: first.structured.next_cursor });
  const messages = [...first.structured.messages, ...rest.structured.messages] as { role: string; model?: string }[];
  expect(messages.map(({ role }) => role)).toEqual([
    'system',
    ...Array.from({ length: 5 }, () => ['user', 'assistant']).flat(),
  ]);
  expect(messages.flatMap(({ model }) => model ?? [])).toEqual([vendorModels.openai, ...others]);

  const ref = { type: 'ref/resource' as const, uri: 'conversations://{id}' };
  const { completion } = await http.client.complete({ ref, argument: { name: 'id', value: 'conv_' } });
  expect(completion.values).toEqual([id]);
  const read = await http.client.readResource({ uri: `conversations://${id}` });
  expect(JSON.stringify(read.contents)).toContain('heliotrope');

  const listed = await aimm('conversations', 'list', '--search', 'heliotrope', '--json');
  expect(JSON.parse(listed.stdout)).toMatchObject({ conversations: [{ id, version: 5 }] });
  expect((await aimm('conversations', 'list')).stdout).toContain(id);
  const markdown = await aimm('conversations', 'export', id);
  expect(markdown.stdout).toMatch(/^# Remember the word heliotrope\n/);
  expect(markdown.stdout.match(/^## .*$/gm)).toEqual([
    '## System',
    ...[vendorModels.openai, ...others].flatMap((model) => ['## User', `## Assistant (${model})`]),
  ]);
  const exported = await aimm('conversations', 'export', id, '--format', 'json');
  expect(JSON.parse(exported.stdout)).toMatchObject({ id, turns: 5, messages: { length: 11 } });
  expect((await aimm('conversations', 'show', id)).stdout).toContain('## Assistant');

  const deleted = await stdio.call('delete_conversation', { conversation_id: id });
  expect(deleted.structured).toEqual({ conversation_id: id, deleted: true });
  const gone = await http.call('get_conversation', { conversation_id: id });
  expect([gone.isError, gone.text]).toEqual([true, expect.stringContaining('list_conversations')]);
  expect((await http.call('list_conversations', { search: 'heliotrope' })).structured.conversations).toEqual([]);
  expect((await aimm('conversations', 'delete', id)).stderr).toContain('There is no conversation');
});

test('of two clients that ask for the next turn at once one gets it, and the other is told whose it is and may wait for it', async () => {
  const begun = await stdio.call('generate', { prompt: 'start', model: vendorModels.openai, save_conversation: true });
  const { conversation_id: id } = begun.structured as { conversation_id: string };
  let accepted = 0;
  for (let round = 0; round < 20; round += 1) {
    const both = await Promise.all(
      [stdio, http].map((client) =>
        client.call('generate', { prompt: `round ${round}`, model: vendorModels.mistral, conversation_id: id }),
      ),
    );
    accepted += both.filter(({ isError }) => !isError).length;
    for (const { text } of both.filter(({ isError }) => isError)) expect(text).toMatch(/get_job with job_id gen_/);
  }
  const { structured } = await http.call('get_conversation', { conversation_id: id, limit: 100 });
  const roles = (structured.messages as { role: string }[]).map(({ role }) => role);
  expect(roles).toEqual(Array.from({ length: 1 + accepted }, () => ['user', 'assistant']).flat());
  const jobs = new Set((structured.messages as { job_id?: string }[]).flatMap(({ job_id: job }) => job ?? []));
  expect(jobs.size).toBe(1 + accepted);
});
