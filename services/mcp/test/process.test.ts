import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient, eras } from './support/connect.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function newDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'aimm-mcp-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The front as a client starts it, with nothing else in its environment. */
function startFront(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], AIMM_DATA_DIR: newDataDir(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  return { child, output, exited: once(child, 'close').then(([code]) => Number(code)) };
}

describe.each(eras)('the process, for a client of version %s', { timeout: 20_000 }, (era) => {
  it('lists its tools over stdio', async () => {
    const client = createClient(era);
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [main],
        env: { AIMM_DATA_DIR: newDataDir(), LOG_LEVEL: 'trace' },
        stderr: 'ignore',
      }),
    );
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('generate');
    expect((await client.listResources()).resources).toHaveLength(4);
  });
});

describe('the process', { timeout: 20_000 }, () => {
  it.each([
    ['opens its database once the tools were listed, before it is asked for anything', 'file', true],
    ['lists its tools and goes on where the database is away', 'postgresql://nobody@127.0.0.1:1/none', false],
  ])('%s', async (_what, url, isThere) => {
    const dir = newDataDir();
    const file = join(dir, 'ahead.db');
    const client = createClient('2025-11-25');
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [main],
      env: {
        AIMM_DATA_DIR: dir,
        // Nobody listens there: the queue is no matter of the database.
        REDIS_URL: 'redis://127.0.0.1:1',
        DATABASE_URL: url === 'file' ? `file:${file}` : url,
        LOG_LEVEL: 'debug',
      },
      stderr: 'pipe',
    });
    let log = '';
    transport.stderr?.on('data', (chunk) => (log += String(chunk)));
    await client.connect(transport);
    onTestFinished(() => client.close());
    expect(existsSync(file)).toBe(false);
    expect((await client.listTools()).tools.length).toBeGreaterThan(10);
    const hasTried = () => (isThere ? existsSync(file) : log.includes('could not be opened ahead'));
    await expect.poll(hasTried, { timeout: 15_000 }).toBe(true);
    expect((await client.listResources()).resources).toHaveLength(4);
  });

  it('writes nothing but the protocol to stdout, and leaves when the client closes stdin', async () => {
    const { child, exited } = startFront([], { LOG_LEVEL: 'trace' });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const say = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
    say({ id: 1, method: 'initialize', params });
    expect(JSON.parse(String((await lines.next()).value))).toMatchObject({ id: 1, result: {} });
    say({ method: 'notifications/initialized' });
    child.stdin.write('this is no JSON\n');
    // Longer than the default limit of the transport, as images are.
    say({ id: 2, method: 'tools/call', params: { name: 'generate', arguments: { x: 'A'.repeat(20 * 1024 * 1024) } } });
    expect(JSON.parse(String((await lines.next()).value))).toMatchObject({ id: 2, result: { isError: true } });
    say({ method: 'tools/call', params: { name: 'generate', arguments: { x: 'A'.repeat(33 * 1024 * 1024) } }, id: 3 });
    expect(JSON.parse(String((await lines.next()).value))).toMatchObject({
      id: 3,
      error: { message: expect.stringContaining('32 MB') },
    });
    child.stdin.end();
    expect(await exited).toBe(0);
    expect((await lines.next()).done).toBe(true);
  });

  it('names every fault of the environment and exits with 2', async () => {
    const { output, exited } = startFront([], { HTTP_PORT: 'http', LOG_LEVEL: 'loud' });
    expect(await exited).toBe(2);
    expect(output.stdout).toBe('');
    expect(output.stderr).toContain('HTTP_PORT: expected a port');
    expect(output.stderr).toContain('LOG_LEVEL: expected trace, debug');
  });

  it('refuses to serve other machines without a token', async () => {
    const { output, exited } = startFront(['mcp', '--http'], { HTTP_HOST: '0.0.0.0', HTTP_PORT: '0' });
    expect(await exited).toBe(2);
    expect(output.stderr).toContain('AIMM_AUTH_TOKEN: expected a token');
  });
});
