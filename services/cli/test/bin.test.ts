import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binPath } from '../src/stack/bin-path.ts';

describe('bin/aimm.mjs', { timeout: 20_000 }, () => {
  let root: string;
  let bin: string;
  /** Makes the first Node that reads it say it is an old one; the Node it starts is itself again. */
  let pretendOld: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'aimm-bin-'));
    bin = join(root, 'services/cli/bin/aimm.mjs');
    cpSync(binPath, bin);
    pretendOld = join(root, 'old.cjs');
    writeFileSync(
      pretendOld,
      `delete process.env.NODE_OPTIONS;
       Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } });`,
    );
    for (const service of ['cli', 'mcp', 'worker', 'dashboard']) {
      mkdirSync(join(root, 'services', service, 'src'), { recursive: true });
      writeFileSync(
        join(root, 'services', service, 'src/main.ts'),
        `const name: string = '${service}';
         const waits = process.argv.includes('wait');
         if (waits) process.on('SIGTERM', () => process.exit(9));
         process.stdout.write(name + ' ' + process.argv.slice(2).join(' ') + '\\n');
         if (waits) setInterval(() => undefined, 1000);
         else process.exit(Number(process.env.CODE ?? 0));`,
      );
    }
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const bringNode = () => {
    const folder = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
    mkdirSync(folder, { recursive: true });
    symlinkSync(process.execPath, join(folder, 'node'));
  };
  const run = (args: string[], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [bin, ...args], { env, encoding: 'utf8', input: '' });

  it.each([
    [['mcp'], 'mcp mcp\n'],
    [['mcp', '--http'], 'mcp mcp --http\n'],
    [[], 'mcp \n'],
    [['worker'], 'worker worker\n'],
    [['dashboard'], 'dashboard dashboard\n'],
    [['status', '--json'], 'cli status --json\n'],
    [['mcp', '--help'], 'cli mcp --help\n'],
  ])('starts the right service for %j (stdin is no terminal)', (args, expected) => {
    expect(run(args).stdout).toBe(expected);
  });

  it('runs itself again under the checkout’s own Node when the Node is old', () => {
    bringNode();
    const { stdout, status } = run(['status'], { NODE_OPTIONS: `--require ${pretendOld}`, CODE: '5' });
    expect({ stdout, status }).toEqual({ stdout: 'cli status\n', status: 5 });
  });

  it('passes signals on to the Node it started', async () => {
    bringNode();
    const child = spawn(process.execPath, [bin, 'wait'], {
      env: { NODE_OPTIONS: `--require ${pretendOld}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
  });

  it('leaves Ctrl-C to the terminal, which signals both, also where a pipe feeds it', async () => {
    bringNode();
    const onTerminal = join(root, 'terminal.cjs');
    writeFileSync(onTerminal, `require(${JSON.stringify(pretendOld)}); process.stderr.isTTY = true;`);
    const child = spawn(process.execPath, [bin, 'wait'], {
      env: { NODE_OPTIONS: `--require ${onTerminal}` },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
  });

  it('says which Node it needs where there is none', async () => {
    const child = spawn(process.execPath, [bin, 'status'], {
      env: { NODE_OPTIONS: `--require ${pretendOld}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect(code).toBe(1);
    expect(said).toContain('needs Node 22.18 or newer');
    expect(said).toContain('this is Node 20.1.0');
  });
});
