import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLocalStack, type LocalStack } from '../support/local-stack.ts';
import { runSql } from '../support/run-sql.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { vendorModels } from '../support/vendors.ts';

const bin = fileURLToPath(new URL('../../services/cli/bin/aimm.mjs', import.meta.url));
const key = 'sk-planted-of-openai-0123456789';

/** Runs a command in the environment of a stack, to its end. */
async function run(environment: Record<string, string>, args: string[], input: string | Buffer = '') {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [bin, ...args], { env: { PATH, HOME, ...environment } });
  child.stdin.on('error', () => undefined).end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { out, err, code: code as number };
}

describe('moving from SQLite to PostgreSQL', () => {
  let old: LocalStack;
  let moved: LocalStack | undefined;
  let postgres: string;
  let file: string;
  let conversation: string;
  let usage: unknown;
  const aimm = (args: string[], input?: string | Buffer) => run(old.environment, args, input);
  const aimmThere = (args: string[], input?: string | Buffer) =>
    run({ ...old.environment, DATABASE_URL: postgres }, args, input);
  const usageArgs = ['usage', '--period', 'all', '--by', 'model', '--json'];
  /** The end of an `all` is now. */
  const readUsage = async (environment: Record<string, string>) => {
    const { totals, groups } = JSON.parse((await run(environment, usageArgs)).out);
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
      out: '',
      err: expect.stringContaining('There is no database'),
    });
    const mcp = await old.connect();
    const asked = { model: vendorModels.openai, prompt: 'Where do zebras graze?', save_conversation: true };
    conversation = (await mcp.call('generate', asked)).structured.conversation_id;
    await mcp.call('generate', { model: vendorModels.mistral, prompt: 'And gnus?', conversation_id: conversation });
    for (const args of [
      ['keys', 'add', 'openai'],
      ['tokens', 'create', '--name', 'ci'],
      ['preferences', 'set', 'fast', '--model', vendorModels.mistral],
    ]) {
      expect([args, await aimm(args, key)]).toMatchObject([args, { code: 0 }]);
    }
    usage = await readUsage(old.environment);
    const { code, out, err } = await aimm(['export', '--output', file]);
    expect([code, out]).toEqual([0, '']);
    expect(err).toMatch(
      /^Exported \d+ rows of file:.*aimm\.db to .*move\.jsonl\.gz\.\nNot in it.*: 1 provider key and 1 access token\.\n$/,
    );
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(old.dataDir)).filter((name) => name.includes('partial'))).toEqual([]);
    expect((await aimm(['export'])).out.split('\n').slice(1)).toEqual(
      gunzipSync(await readFile(file))
        .toString()
        .split('\n')
        .slice(1),
    );
    await mcp.close();
    expect((await aimm(['down'])).code).toBe(0);
  });

  test('keeps the backup that was there when a new one fails', async () => {
    const before = await readFile(file);
    const failed = await run({ ...old.environment, DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none' }, [
      'export',
      '-o',
      file,
    ]);
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('cannot be reached') });
    expect(await readFile(file)).toEqual(before);
    const nowhere = await aimm(['export', '-o', join(old.dataDir, 'none', 'x.jsonl')]);
    expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining('cannot be written (ENOENT)') });
  });

  test('refuses what was cut off or damaged, and leaves the new database empty', async () => {
    const whole = await readFile(file);
    const cut = join(old.dataDir, 'cut.jsonl.gz');
    await writeFile(cut, whole.subarray(0, whole.length - 100));
    const damaged = Buffer.from(whole).fill(0, whole.length - 120, whole.length - 60);
    const plain = gunzipSync(whole).toString();
    for (const [args, input, said] of [
      [['import', cut], '', 'The compressed backup was cut off.'],
      [['import', '-'], whole.subarray(0, whole.length - 100), 'The compressed backup was cut off.'],
      [['import', '-'], damaged, 'The compressed backup is damaged.'],
      [['import', '-'], plain.slice(0, -30), 'it was cut off'],
      [['import', '-'], plain.replace('"position":1', '"position":"one"'), 'messages: row.position: expected number'],
      [['import', join(old.dataDir, 'none.jsonl')], '', 'none.jsonl cannot be read (ENOENT).'],
      [['import', old.dataDir], '', 'is a folder'],
      [['import'], '', "missing required argument 'file'"],
    ] as const) {
      const refused = await aimmThere([...args], input);
      expect([said, refused.code, refused.out]).toEqual([said, 2, '']);
      expect(refused.err).toContain(said);
    }
    expect(await runSql(postgres, 'SELECT * FROM conversations')).toEqual([]);
  });

  test('reads it into the new database, once, and says what has to be made anew', async () => {
    const imported = await aimmThere(['import', file]);
    expect([imported.code, imported.err]).toEqual([0, '']);
    expect(imported.out).toMatch(/messages +4 +0\n/);
    expect(imported.out).toMatch(/Imported \d+ rows into postgresql:\/\/postgres:…@/);
    expect(imported.out).toContain('Not in the backup: 1 provider key and 1 access token. Make them anew:');
    expect(await aimmThere(['import', file])).toMatchObject({ code: 2, err: expect.stringContaining('is not empty') });
    const again = await aimmThere(['import', '-', '--merge', '--json'], await readFile(file));
    expect(JSON.parse(again.out)).toMatchObject({ inserted: 0, tables: { messages: { inserted: 0, skipped: 4 } } });
  });

  test('goes on there: conversations, search, preferences, usage', async () => {
    moved = await createLocalStack({ DATABASE_URL: postgres });
    const there = (args: string[]) => run(moved?.environment ?? {}, args);
    expect(await readUsage(moved.environment)).toEqual(usage);
    const found = JSON.parse((await there(['conversations', 'list', '--search', 'zebras', '--json'])).out);
    expect(found.conversations).toMatchObject([{ id: conversation, version: 2 }]);
    const mcp = await moved.connect();
    const next = await mcp.call('generate', { model: 'fast', prompt: 'Both?', conversation_id: conversation });
    expect(next.structured).toMatchObject({ status: 'succeeded', model: vendorModels.mistral });
    expect((await there(['conversations', 'show', conversation])).out).toContain('Where do zebras graze?');
    expect((await there(['tokens', 'list'])).out).toContain('There is no access token.');
    expect((await there(['keys', 'list'])).out).toContain('No key is stored.');
  });
});
