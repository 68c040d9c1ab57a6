import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger, type Logger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  findStack,
  type JoinOptions,
  joinStack,
  type LostReason,
  type StackConnection,
  toStackPaths,
} from '../src/index.ts';

const script = fileURLToPath(new URL('fixtures/little-stack.ts', import.meta.url));
const launch = { command: process.execPath, args: [script] };
const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });

describe('joinStack', { timeout: 20_000 }, () => {
  let dataDir: string;
  let connections: StackConnection[];

  const join_ = async (
    raw: Record<string, string> = {},
    more: Partial<Pick<JoinOptions, 'timeoutMs' | 'keyVariables' | 'logger'>> = {},
  ) => {
    const connection = await joinStack({
      dataDir,
      raw: { PATH: process.env['PATH'], ...raw },
      logger,
      launch,
      ...more,
    });
    connections.push(connection);
    return connection;
  };

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'aimm-join-'));
    connections = [];
  });
  afterEach(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await (await findStack(dataDir))?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('starts a stack where none runs, and joins the one that runs', async () => {
    const first = await join_();
    const second = await join_();
    expect(first.info.pid).not.toBe(process.pid);
    expect(second.info.pid).toBe(first.info.pid);
  });

  it.each([
    [
      'warns of a stack of another build, which `aimm down` ends',
      'old',
      [[expect.anything(), expect.stringContaining('`aimm down` ends it')]],
    ],
    ['says nothing of one of its own', 'welcome', []],
  ])('%s', async (_name, behaviour, warned) => {
    const warn = vi.spyOn(logger, 'warn');
    await join_({ BEHAVIOUR: behaviour });
    expect(warn.mock.calls).toEqual(warned);
    warn.mockRestore();
  });

  it('hands over provider keys and endpoints, and nothing else of the environment', async () => {
    await join_(
      {
        OPENAI_API_KEY: 'sk-1',
        OPENAI_BASE_URL: 'http://x',
        HF_TOKEN: 'hf-1',
        GITHUB_TOKEN: 'of-no-provider',
        AIMM_MASTER_KEY: 'mine-and-nobody-else’s',
        HOME: '/root',
        EMPTY_API_KEY: '',
      },
      { keyVariables: ['HF_TOKEN'] },
    );
    const handed = JSON.parse(readFileSync(join(dataDir, 'hello.json'), 'utf8'));
    expect(handed).toEqual({ OPENAI_API_KEY: 'sk-1', OPENAI_BASE_URL: 'http://x', HF_TOKEN: 'hf-1' });
  });

  it('tells what of its environment has no effect on a stack that runs, and nothing that has', async () => {
    const told: unknown[] = [];
    const told_ = { ...logger, warn: (details: object) => told.push(details) } as unknown as Logger;
    const set = { WORKER_COUNT: '2', OPENAI_RPM: '10', BUDGET_USD_PER_DAY: '5', AIMM_DEMO: 'on', HTTP_PORT: '0' };
    await join_(set, { logger: told_ });
    await join_(
      { WORKER_COUNT: '02', AIMM_IDLE_SECONDS: '300', AIMM_AUTH_TOKEN: 'planted-token-1' },
      { logger: told_ },
    );
    expect(told).toEqual([]);
    await join_(
      {
        WORKER_COUNT: '4',
        OPENAI_RPM: '20',
        MISTRAL_TPM: '5',
        HTTP_PORT: '1',
        BUDGET_USD_PER_DAY: '20',
        OPENAI_BUDGET_USD_PER_MONTH: '9',
      },
      { logger: told_ },
    );
    const ineffective = [
      'WORKER_COUNT=4 (the stack has 2)',
      'OPENAI_RPM=20 (the stack has 10)',
      'MISTRAL_TPM=5 (the stack has none)',
      'BUDGET_USD_PER_DAY=20 (the stack has 5)',
      'OPENAI_BUDGET_USD_PER_MONTH=9 (the stack has none)',
    ];
    expect(told).toEqual([{ ineffective }]);
  });

  it('does not join a stack on another database than the environment names', async () => {
    const { info } = await join_();
    const joined = await join_({
      DATABASE_URL: `file:${relative(process.cwd(), info.databaseUrl.slice('file:'.length))}`,
    });
    expect(joined.info.pid).toBe(info.pid);
    const refused = join_({ DATABASE_URL: 'postgresql://me:hush@db/aimm' });
    await expect(refused).rejects.toThrow(/another database[\s\S]*aimm down/);
    await expect(refused).rejects.not.toThrow('hush');
  });

  it.skipIf(process.getuid?.() !== 0)('hands no key to a socket in a directory of somebody else', async () => {
    const { pid } = (await join_()).info;
    const { runDir } = toStackPaths(dataDir);
    chownSync(runDir, 12_345, 12_345);
    rmSync(join(dataDir, 'hello.json'));
    await expect(join_({ OPENAI_API_KEY: 'sk-1' })).rejects.toThrow('belongs to somebody else');
    expect(existsSync(join(dataDir, 'hello.json'))).toBe(false);
    chownSync(runDir, 0, 0);
    expect((await join_()).info.pid).toBe(pid);
  });

  it('tells when the stack is lost, and starts it again: somebody may be waiting for an answer', async () => {
    const stack = await join_();
    const lost = new Promise<LostReason>((resolve) => stack.onLost(resolve));
    const before = stack.info.pid;
    process.kill(before, 'SIGKILL');
    expect(await lost).toBe('lost');
    await vi.waitFor(() => expect(stack.info.pid).not.toBe(before), { timeout: 10_000 });
    expect((await stack.ensure()).pid).toBe(stack.info.pid);
  });

  it('does not start a stack over and over that crashes as soon as it is up, until somebody needs it', async () => {
    const stack = await join_();
    for (let losses = 0; losses < 2; losses += 1) {
      const { pid } = await stack.ensure();
      const lost = new Promise((resolve) => stack.onLost(resolve));
      process.kill(pid, 'SIGKILL');
      await lost;
    }
    expect(await findStack(dataDir)).toBeUndefined();
    expect((await stack.ensure()).pid).toBeGreaterThan(0);
  });

  it('leaves a stack alone that was stopped, until somebody needs it', async () => {
    const stack = await join_();
    const lost = new Promise<LostReason>((resolve) => stack.onLost(resolve));
    await (await findStack(dataDir))?.stop();
    expect(await lost).toBe('stopped');
    expect(await findStack(dataDir)).toBeUndefined();
  });

  it('starts one stack for calls that need it at the same time', async () => {
    const stack = await join_();
    const lost = new Promise((resolve) => stack.onLost(resolve));
    process.kill(stack.info.pid, 'SIGKILL');
    await lost;
    const infos = await Promise.all([stack.ensure(), stack.ensure(), stack.ensure()]);
    expect(new Set(infos.map(({ pid }) => pid)).size).toBe(1);
  });

  it('announces the address of a front again to a stack that was started again', async () => {
    const stack = await join_();
    const lost = new Promise((resolve) => stack.onLost(resolve));
    stack.announce('http://127.0.0.1:3920/mcp');
    const announced = join(dataDir, 'announced');
    await vi.waitFor(() => expect(existsSync(announced)).toBe(true));
    rmSync(announced);
    process.kill(stack.info.pid, 'SIGKILL');
    await lost;
    await stack.ensure();
    await vi.waitFor(() => expect(readFileSync(announced, 'utf8')).toBe('http://127.0.0.1:3920/mcp'));
  });

  it('says what the stack says when it cannot start', async () => {
    await expect(join_({ BEHAVIOUR: 'refuse' })).rejects.toThrow('there is no redis-server here');
  });

  it('shows the end of the log, and what to do, when the stack ends at once', async () => {
    await expect(join_({ BEHAVIOUR: 'crash' })).rejects.toMatchObject({
      message: expect.stringMatching(/ended with code 3[\s\S]*the floor fell in[\s\S]*aimm doctor/),
      exitCode: 3,
    });
  });

  it('finds a running stack without starting one', async () => {
    expect(await findStack(dataDir)).toBeUndefined();
    const stack = await join_();
    const found = await findStack(dataDir);
    expect(found?.info.pid).toBe(stack.info.pid);
    await found?.close();
  });
});
