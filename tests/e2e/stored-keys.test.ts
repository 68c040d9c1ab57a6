import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createConfigDir } from '../support/config-dir.ts';
import { createLocalStack, type LocalStack } from '../support/local-stack.ts';
import type { McpClient } from '../support/mcp-client.ts';
import { runAimm } from '../support/run-aimm.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const key = 'planted-key-of-mistral-7Hw';
const ask = { model: 'mistral/mistral-small-latest', prompt: 'Name three rivers of Europe' };
const soon = { timeout: 20_000, interval: 100 };

describe('a key that is stored while a demo runs', () => {
  let upstream: Upstream;
  let stack: LocalStack;
  let mcp: McpClient;
  const given: string[] = [];

  beforeAll(async () => {
    upstream = await startUpstream();
    stack = await createLocalStack({
      AIMM_DEMO: 'auto',
      // Nobody must be there.
      OLLAMA_BASE_URL: 'http://127.0.0.1:9',
      LOG_LEVEL: 'trace',
      AIMM_CONFIG_DIR: createConfigDir((providers) => {
        for (const provider of providers) if (provider['id'] === 'mistral') provider['baseUrl'] = upstream.url;
      }),
    });
    mcp = await stack.connect();
  });
  afterAll(async () => {
    await stack?.end();
    await upstream?.stop();
  });

  const aimm = async (args: string[], stdin?: string) => {
    const outcome = await runAimm(stack.environment, args, { stdin });
    given.push(outcome.stdout, outcome.stderr);
    return outcome;
  };
  const generate = async () => (await mcp.call('generate', ask)).structured;

  test('ends it within seconds, and goes to the vendor and not to the stand-in', async () => {
    expect((await generate()).text).toContain('Demo answer');
    expect(await aimm(['keys', 'add', 'mistral', '--label', 'mine'], `${key}\n`)).toMatchObject({ code: 0 });
    await expect.poll(async () => (await stack.info())?.demo, soon).toBe(false);
    expect(await stack.info()).toMatchObject({ configured: ['mistral'] });
    await expect.poll(async () => (await generate()).text, soon).toBe(`echo: ${ask.prompt}`);
    expect(upstream.calls.map(({ authorization }) => authorization)).toEqual([`Bearer ${key}`]);
    const { structured } = await mcp.call('check_health', { provider: 'mistral' });
    expect(structured.providers[0].keys).toEqual([
      { label: 'mine', source: 'database', fingerprint: '…-7Hw', state: 'in_use' },
    ]);
  });

  test('is used by the next stack from its first call on', async () => {
    expect((await aimm(['down'])).code).toBe(0);
    expect(await generate()).toMatchObject({ status: 'succeeded', text: `echo: ${ask.prompt}` });
  });

  test('is nowhere: not in a file, in what the client was sent, or in what the command wrote', async () => {
    const files = await readdir(stack.dataDir, { recursive: true, withFileTypes: true });
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
    expect(paths.some((path) => path.endsWith('aimm.db'))).toBe(true);
    const holding = await Promise.all(paths.map(async (path) => ((await readFile(path)).includes(key) ? [path] : [])));
    expect(holding.flat()).toEqual([]);
    expect([...given, ...mcp.received, mcp.log()].filter((piece) => piece.includes(key))).toEqual([]);
    const log = await readFile(join(stack.dataDir, 'logs/stack.log'), 'utf8');
    expect(log).toContain('The stack is up');
  });

  test('leaves the demo behind again when it is removed', async () => {
    expect(await aimm(['keys', 'remove', 'mistral', 'mine'])).toMatchObject({ code: 0 });
    await expect.poll(async () => (await stack.info())?.demo, soon).toBe(true);
    await expect.poll(async () => (await generate()).text, soon).toContain('Demo answer');
  });
});
