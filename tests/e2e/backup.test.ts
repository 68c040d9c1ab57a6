import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLocalStack, type LocalStack } from '../support/local-stack.ts';
import type { McpClient } from '../support/mcp-client.ts';
import { runAimm } from '../support/run-aimm.ts';
import { runSql } from '../support/run-sql.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { vendorModels } from '../support/vendors.ts';

const soon = { timeout: 20_000, interval: 100 };
const key = 'sk-planted-of-openai-0123456789';

describe('moving from SQLite to PostgreSQL', () => {
  let old: LocalStack;
  let moved: LocalStack | undefined;
  let postgres: string;
  let file: string;
  let conversation: string;
  let usage: unknown;
  const aimm = (args: string[], stdin?: string) => runAimm(old.environment, args, { stdin });
  const aimmThere = (args: string[], stdin?: Buffer) =>
    runAimm({ ...old.environment, DATABASE_URL: postgres }, args, { stdin });
  const readUsage = async (mcp: McpClient) => {
    const asked = { period: '30d', group_by: 'model' };
    const { totals, groups } = (await mcp.call('get_usage_stats', asked)).structured;
    return { totals, groups };
  };

  beforeAll(async () => {
    old = await createLocalStack();
    postgres = await createEmptyDatabase('postgresql');
    file = join(old.dataDir, 'move.jsonl.gz');
  });
  afterAll(async () => {
    await moved?.end();
    await old?.end();
  });

  test('begins with a backup of what runs, which only its owner can read', async () => {
    expect(await aimm(['export'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('There is no database'),
    });
    const mcp = await old.connect();
    const asked = { model: vendorModels.openai, prompt: 'Where do zebras graze?', save_conversation: true };
    conversation = (await mcp.call('generate', asked)).structured.conversation_id;
    await mcp.call('generate', { model: vendorModels.mistral, prompt: 'And gnus?', conversation_id: conversation });
    await mcp.call('set_preference', { name: 'fast', model: vendorModels.mistral });
    expect(await aimm(['keys', 'add', 'openai'], key)).toMatchObject({ code: 0 });
    expect(await aimm(['tokens', 'create', '--name', 'ci'])).toMatchObject({ code: 0 });
    // Both are written behind the answer.
    const readTurns = async () => (await mcp.call('list_conversations', {})).structured.conversations[0].turns;
    await expect.poll(readTurns, soon).toBe(2);
    await expect.poll(async () => (await readUsage(mcp)).totals.calls, soon).toBe(2);
    usage = await readUsage(mcp);
    const { code, stdout, stderr } = await aimm(['export', '--output', file]);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(
      /^Exported \d+ rows of file:.*aimm\.db to .*move\.jsonl\.gz\.\nNot in it.*: 1 provider key and 1 access token\.\n$/,
    );
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await mcp.close();
    expect((await aimm(['down'])).code).toBe(0);
    const written = gunzipSync(await readFile(file)).toString();
    expect((await aimm(['export'])).stdout.split('\n').slice(1)).toEqual(written.split('\n').slice(1));
  });

  test('refuses a backup that is not whole, and leaves the new database empty', async () => {
    const whole = await readFile(file);
    const refused = await aimmThere(['import', '-'], whole.subarray(0, whole.length - 100));
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('was cut off') });
    expect(await runSql(postgres, 'SELECT * FROM conversations')).toEqual([]);
  });

  test('reads it into the new database, once, and says what has to be made anew', async () => {
    const imported = await aimmThere(['import', file]);
    expect([imported.code, imported.stderr]).toEqual([0, '']);
    expect(imported.stdout).toMatch(/messages +4 +0\n/);
    expect(imported.stdout).toMatch(/Imported \d+ rows into postgresql:\/\/postgres:…@/);
    expect(imported.stdout).toContain('Not in the backup: 1 provider key and 1 access token. Make them anew:');
    expect(await aimmThere(['import', file])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not empty'),
    });
    const again = await aimmThere(['import', '-', '--merge', '--json'], await readFile(file));
    expect(JSON.parse(again.stdout)).toMatchObject({ inserted: 0, tables: { messages: { inserted: 0, skipped: 4 } } });
  });

  test('goes on there: conversations, search, preferences, usage', async () => {
    moved = await createLocalStack({ DATABASE_URL: postgres });
    const mcp = await moved.connect();
    expect(await readUsage(mcp)).toEqual(usage);
    const found = await mcp.call('list_conversations', { search: 'zebras graze' });
    expect(found.structured.conversations).toMatchObject([{ conversation_id: conversation, turns: 2 }]);
    const next = await mcp.call('generate', { model: 'fast', prompt: 'Both?', conversation_id: conversation });
    expect(next.structured).toMatchObject({ status: 'succeeded', model: vendorModels.mistral });
    const { structured } = await mcp.call('get_conversation', { conversation_id: conversation });
    expect(structured.messages).toHaveLength(6);
    expect(await runSql(postgres, 'SELECT * FROM api_keys, access_tokens')).toEqual([]);
  });
});
