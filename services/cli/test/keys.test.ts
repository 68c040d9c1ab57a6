import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createDatabase } from '@aimm/database';
import { ensureStackDirectories, toStackPaths } from '@aimm/local-stack';
import { connectFront, createPresence } from '@aimm/queue';
import { createLogger, findMasterKeys } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSecret } from '../src/read-secret.ts';
import { binPath } from '../src/stack/bin-path.ts';
import { startPrivateRedis } from '../src/stack/redis-server.ts';

const key = 'sk-planted-0123456789-abcdefgh-WXYZ';

describe('aimm keys', { timeout: 30_000 }, () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = join(mkdtempSync(join(tmpdir(), 'aimm-keys-')), 'data');
  });
  afterEach(() => rmSync(join(dataDir, '..'), { recursive: true, force: true }));

  /** As from a shell script: stdin is a pipe. */
  const run = async (args: string[], input = '', env: Record<string, string> = {}) => {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, [binPath, 'keys', ...args], {
      env: { PATH, HOME, AIMM_DATA_DIR: dataDir, LOG_LEVEL: 'trace', ...env },
    });
    child.stdin.on('error', () => undefined); // It may not want to read.
    child.stdin.end(input);
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { out, err, all: out + err, code: code as number };
  };
  const everyFile = () =>
    readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));

  it('takes a key from stdin, and shows and keeps nothing of it but its last four characters', async () => {
    const added = await run(['add', 'openai', '--label', 'team'], `${key}\n`);
    expect(added).toMatchObject({ code: 0, out: expect.stringContaining('Stored the key "team" (…WXYZ) of openai.') });
    const listed = await run(['list']);
    expect(listed.out).toMatch(/openai +team +…WXYZ +\d{4}-\d\d-\d\d \d\d:\d\d +key_/);
    const json = await run(['list', '--json']);
    expect(JSON.parse(json.out)).toEqual([
      {
        id: expect.stringMatching(/^key_/),
        provider: 'openai',
        label: 'team',
        fingerprint: '…WXYZ',
        createdAt: expect.any(Number),
      },
    ]);
    for (const shown of [added.all, listed.all, json.all, ...everyFile()]) expect(shown).not.toContain('planted');
    // Who has the master key has the key.
    expect(statSync(join(dataDir, 'master.key')).mode & 0o777).toBe(0o600);
    const database = await createDatabase({ url: `file:${join(dataDir, 'aimm.db')}` });
    const [stored] = await database.apiKeys.list();
    const master = findMasterKeys({ AIMM_MASTER_KEY: undefined, dataDir });
    expect(await database.apiKeys.reveal(stored?.id ?? '', master)).toBe(key);
    await database.close();
  });

  it('removes a key by its label, and says when there is none', async () => {
    await run(['add', 'mistral'], key);
    expect(await run(['remove', 'mistral', 'key-1'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Removed the key "key-1" (…WXYZ) of mistral.'),
    });
    expect(await run(['remove', 'mistral', 'key-1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is no such key.'),
    });
    expect((await run(['list'])).out).toContain('No key is stored.');
  });

  it('uses AIMM_MASTER_KEY where it is set, makes no file then, and refuses a second one', async () => {
    const first = { AIMM_MASTER_KEY: 'the first master key' };
    expect(await run(['add', 'openai'], key, first)).toMatchObject({ code: 0 });
    expect(existsSync(join(dataDir, 'master.key'))).toBe(false);
    const other = await run(['add', 'openai'], `${key}-2`, { AIMM_MASTER_KEY: 'the second master key' });
    expect(other).toMatchObject({ code: 1, err: expect.stringContaining('was stored under another master key') });
    expect(other.err).toContain('AIMM_MASTER_KEY');
    const short = await run(['add', 'openai'], key, { AIMM_MASTER_KEY: 'short' });
    expect(short).toMatchObject({ code: 2, err: expect.stringContaining('at least 16 characters') });
    expect(short.all + other.all).not.toMatch(/planted|second master/);
  });

  it('makes no key file where the workers are elsewhere: they could not open what is encrypted under it', async () => {
    const elsewhere = { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' };
    const refused = await run(['add', 'openai'], key, elsewhere);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('Set AIMM_MASTER_KEY') });
    expect(existsSync(join(dataDir, 'master.key'))).toBe(false);
  });

  it('says so where a worker cannot open what was stored, and does not promise that it is used', async () => {
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    const paths = toStackPaths(dataDir);
    ensureStackDirectories(paths);
    const server = await startPrivateRedis(paths, process.env['PATH'] ?? '', logger);
    const redis = connectFront(server.url, logger);
    await once(redis, 'ready');
    let opens = false;
    const presence = createPresence(redis, () => ({
      id: 'w1',
      host: 'far',
      pid: 7,
      startedAt: 1,
      providers: [
        {
          id: 'openai',
          configured: opens,
          demo: false,
          ...(!opens && { problem: 'It lies under another master key.' }),
        },
      ],
    }));
    await presence.announce();
    const added = await run(['add', 'openai'], key, { REDIS_URL: server.url });
    expect(added).toMatchObject({ code: 0, out: expect.stringContaining('Stored the key "key-1"') });
    expect(added.out).not.toContain('Workers use it');
    expect(added.err).toContain(
      'The worker on far (process 7) cannot use a stored key of openai: It lies under another',
    );
    opens = true;
    await presence.announce();
    expect((await run(['add', 'openai'], `${key}2`, { REDIS_URL: server.url })).out).toContain('Workers use it within');
    await presence.close();
    redis.disconnect();
    await server.stop();
  });

  it.each([
    ['as an argument', ['add', 'openai', key], ''],
    ['as an option', ['add', 'openai', `--key=${key}`], ''],
    ['as a command', [key], ''],
    ['in the place of the provider', ['add', key], ''],
    ['as its label', ['add', 'openai', '--label', key], key],
    ['with more behind it', ['add', 'openai'], `${key}\nand more`],
    ['without one', ['add', 'openai'], '\n'],
    ['cut short', ['add', 'openai'], 'sk-1'],
  ])('stores nothing and repeats nothing when it is given a key %s', async (_how, args, input) => {
    const refused = await run(args, input);
    expect(refused.code).toBe(2);
    expect(refused.err).not.toBe('');
    expect(refused.all).not.toContain('planted');
    expect((await run(['list', '--json'])).out.trim()).toBe('[]');
  });

  it('explains itself with examples', async () => {
    for (const command of ['add', 'list', 'remove', 'rotate']) {
      expect((await run([command, '--help'])).out).toMatch(new RegExp(`Examples?:\n  \\$ aimm keys ${command}`));
    }
  });
});

describe('a key that is asked for', () => {
  const terminal = () => Object.assign(new PassThrough(), { isTTY: true });

  it('is not shown while it is typed', async () => {
    const [input, output] = [terminal(), new PassThrough()];
    const read = readSecret('Key (not shown): ', { input, output });
    input.write('sk-typed-12');
    input.write('34\r');
    expect(await read).toBe('sk-typed-1234');
    output.end();
    expect(await text(output)).toBe('Key (not shown): \n');
  });

  it('is none when the person breaks off', async () => {
    const [input, output] = [terminal(), new PassThrough()];
    const read = readSecret('', { input, output });
    input.write('sk-typed\x03');
    await expect(read).rejects.toThrow('nothing was stored');
  });
});
