import { once } from 'node:events';
import {
  cpSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { checkCatalogAge } from '../src/doctor/check-catalog-age.ts';
import { fetchPublishedModels } from '../src/fetch-published-models.ts';
import { runCli } from './support/run-cli.ts';

const shipped = fileURLToPath(new URL('../../../config', import.meta.url));
const today = () => new Date().toISOString().slice(0, 10);

describe('aimm models update', { timeout: 30_000 }, () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-config-'));
    cpSync(shipped, dir, { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const serve = async (listener: RequestListener) => {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/api.json`;
  };
  const serveList = (list: unknown) => serve((_request, response) => void response.end(JSON.stringify(list)));
  const update = (...args: string[]) => runCli(['models', 'update', ...args], { AIMM_CONFIG_DIR: dir });
  const readModels = () => readFileSync(join(dir, 'models.json'), 'utf8');
  const openai = (models: object) => ({ openai: { id: 'openai', models } });
  const published = {
    name: 'GPT-5 mini',
    tool_call: true,
    release_date: '2999-01-01',
    modalities: { input: ['text'], output: ['text'] },
    limit: { context: 123_456, output: 7_890 },
  };

  it('refreshes the file, keeps quirks and prices, and sets the day', async () => {
    const before = JSON.parse(readModels()) as { models: { id: string; quirks?: object; prices?: object }[] };
    const url = await serveList(openai({ 'gpt-5-mini': published, 'gpt-next': published }));
    const { stdout, code } = await update('--from', url);
    expect(code).toBe(0);
    expect(stdout).toContain('openai/gpt-next');
    expect(stdout).toContain('openai/gpt-5-mini: contextWindow 400000 → 123456, maxOutputTokens 128000 → 7890');
    const after = JSON.parse(readModels()) as typeof before & { checkedOn: string };
    expect(after.checkedOn).toBe(today());
    expect(stdout).toMatch(/Not compared.*\n {2}anthropic\n {2}google\n {2}mistral\n/);
    const own = (file: typeof before) => file.models.find(({ id }) => id === 'gpt-5-mini');
    expect(own(after)).toEqual({ ...own(before), contextWindow: 123_456, maxOutputTokens: 7_890 });
    expect(after.models).toHaveLength(before.models.length + 1);
    expect(readdirSync(dir).toSorted()).toEqual(['models.json', 'providers.json', 'routing.json']);
  });

  it('replaces what a link points at, and keeps the link', async () => {
    const elsewhere = join(dir, 'elsewhere.json');
    renameSync(join(dir, 'models.json'), elsewhere);
    symlinkSync(elsewhere, join(dir, 'models.json'));
    const { code } = await update('--from', await serveList(openai({ 'gpt-5-mini': published })));
    expect(code).toBe(0);
    expect(lstatSync(join(dir, 'models.json')).isSymbolicLink()).toBe(true);
    expect(readFileSync(elsewhere, 'utf8')).toContain('"contextWindow": 123456');
  });

  it('takes a file, and with --dry-run changes nothing', async () => {
    const before = readModels();
    writeFileSync(join(dir, 'api.json'), JSON.stringify(openai({ 'gpt-5-mini': published })));
    const { stdout, code } = await update('--from', join(dir, 'api.json'), '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ changed: [{ model: 'openai/gpt-5-mini' }], added: [] });
    expect(readModels()).toBe(before);
  });

  /** Promises more than it sends. */
  const sendHalf: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': 1_000 });
    response.write('{"openai":', () => response.destroy());
  };

  it('gives up on a server that does not answer, or not to the end, in good time', async () => {
    const silent = await serve(() => undefined);
    const dripping = await serve((_request, response) => void response.writeHead(200).write('{'));
    for (const url of [silent, dripping]) {
      await expect(fetchPublishedModels(url, 100)).rejects.toMatchObject({
        code: 'timeout',
        message: expect.stringContaining('within 0.1 s'),
        hint: expect.stringContaining('Nothing was changed'),
      });
    }
  });

  it.each([
    ['nobody is there', () => Promise.resolve('http://127.0.0.1:9/api.json'), /cannot be reached.*\n.*proxy.*--from/],
    ['the server fails', () => serve((_, response) => void response.writeHead(503).end()), /HTTP 503/],
    [
      'a web page comes',
      () => serve((_, response) => void response.end('<html>log in</html>')),
      /not a list of models/,
    ],
    ['half an answer comes', () => serve(sendHalf), /cannot be reached/],
    ['another list comes', () => serveList({ data: [{ id: 'gpt' }] }), /not a list of models/],
  ])('says what to do and changes nothing when %s', async (_name, open, says) => {
    const before = readModels();
    const { stderr, code } = await update('--from', await open());
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(readModels()).toBe(before);
  });
});

describe('aimm doctor', () => {
  it('warns of a catalog that nobody checked for 90 days', () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    expect(checkCatalogAge('2026-08-24', now)).toMatchObject({ state: 'ok' });
    expect(checkCatalogAge('2026-08-23', now)).toMatchObject({
      state: 'warning',
      says: expect.stringContaining('91 days'),
      mend: expect.stringContaining('aimm models update'),
    });
  });
});
