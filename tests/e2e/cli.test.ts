import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createLocalStack, type LocalStack } from '../support/local-stack.ts';
import { binPath } from '../support/mcp-client.ts';
import { runAimm, startAimm } from '../support/run-aimm.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

const model = 'openai/gpt-5-mini';
const second = 'ollama/llama3.2';
const command = `${process.execPath} ${binPath}`;
const escape = '\u001b[';

interface Finding {
  check: string;
  state: string;
}

let stack: LocalStack;
let folder: string;
let conversationId: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aimm-cli-'));
  stack = await createLocalStack();
  // One stack for all of them, and one conversation.
  const saved = await aimm(['generate', 'plums', '-m', model, '--save', '--json']);
  conversationId = JSON.parse(saved.stdout).conversationId;
});
afterAll(async () => {
  await stack?.end();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command through pipes. */
function aimm(
  args: readonly string[],
  { stdin = '', env = {} }: { stdin?: string; env?: Record<string, string> } = {},
) {
  return runAimm({ ...stack.environment, ...env }, args, { stdin });
}

/** Runs it on a terminal. */
function onTerminal(
  args: string,
  size?: { columns: number; rows: number },
  env: Record<string, string> = {},
): Terminal {
  const terminal = openTerminal(`${command} ${args}`, { ...stack.environment, ...env }, size);
  onTestFinished(() => terminal.end());
  return terminal;
}

describe('through pipes', () => {
  test('generate puts the answer alone on stdout, joins the prompt with what is piped, and colours nothing', async () => {
    const asked = await aimm(['generate', 'Summarise', 'this', '-m', model], { stdin: 'a report on plums\n' });
    expect(asked.code).toBe(0);
    expect(asked.stdout).toContain('You asked: “Summarise this a report on plums”');
    expect(asked.stdout).toMatch(/[^\n]\n$/);
    expect(asked.stdout).not.toContain('tokens');
    expect(asked.stderr).toContain(`${model} · `);
    expect(asked.stdout + asked.stderr).not.toContain(escape);
    const forced = await aimm(['status'], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain(escape);
    const both = await aimm(['status'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(both.stdout).not.toContain(escape);
  });

  test('every setting of the tool generate reaches the answer’s own account', async () => {
    const schema = join(folder, 'schema.json');
    const image = join(folder, 'dot.png');
    await writeFile(schema, JSON.stringify({ type: 'object', properties: { name: { type: 'string' } } }));
    await writeFile(image, Buffer.from('iVBORw0KGgo=', 'base64'));
    const given = [
      '--schema',
      schema,
      '--image',
      image,
      '--stop',
      'END',
      '--seed',
      '7',
      '--top-p',
      '0.5',
      '--tag',
      'cli',
    ];
    const asked = await aimm(['generate', 'hi', '--json', '-m', model, ...given, '-c', conversationId]);
    const answer = JSON.parse(asked.stdout);
    expect(answer).toMatchObject({ provider: 'openai', model: 'gpt-5-mini', conversationId });
    // What the model does not take is told, so it was sent.
    const settings = (answer.warnings as { setting?: string }[]).flatMap(({ setting }) => setting ?? []);
    expect(settings).toEqual(expect.arrayContaining(['topP', 'stop', 'seed']));
    const shown = await aimm(['conversations', 'show', conversationId, '--json']);
    expect(JSON.parse(shown.stdout).messages[2].content[0]).toMatchObject({ type: 'image', mediaType: 'image/png' });
  });

  test('compare writes a block for each model as it finishes, then the figures', async () => {
    const { stdout, stderr, code } = await aimm(['compare', 'Explain CRDTs', '-m', `${model},${second}`]);
    expect(code).toBe(0);
    for (const name of [model, second]) {
      expect(stdout).toMatch(new RegExp(`^${name}  [\\d.]+ m?s · \\d+ tokens · .*\\n\\[Demo answer`, 'm'));
      expect(stderr).toContain(`${name} answered`);
    }
    expect(stdout.indexOf('Model ')).toBeGreaterThan(stdout.lastIndexOf('Demo answer'));
    expect(stdout).not.toContain(escape);
  });

  test('every command that tells something prints one JSON document with --json, and nothing else', async () => {
    const lines = ['models --provider openai', 'usage', 'status', 'conversations list', 'preferences list', 'migrate'];
    const outcomes = await Promise.all(lines.map((line) => aimm([...line.split(' '), '--json'])));
    for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
      expect({ line: lines[index], code, stderr }).toEqual({ line: lines[index], code: 0, stderr: '' });
      expect(JSON.parse(stdout)).toBeInstanceOf(Object);
    }
  });

  test('doctor finds the stack, its Redis, its worker and every provider', async () => {
    const { stdout, stderr } = await aimm(['doctor', '--json']);
    const states = new Map((JSON.parse(stdout) as Finding[]).map(({ check, state }) => [check, state]));
    for (const check of ['Node', 'Stack', 'Redis', 'Redis version', 'Clock', 'Workers', 'Database', 'Migrations'])
      expect([check, states.get(check)]).toEqual([check, 'ok']);
    expect(states.has(`Provider ${model.split('/')[0]}`)).toBe(true);
    expect(stderr).toBe('');
  });

  test('failures with --json are a document too, with the exit code in it', async () => {
    const [unknown, usage, config] = await Promise.all([
      aimm(['generate', 'hi', '--json', '-m', 'nope/x']),
      aimm(['usage', '--json', '--period', 'yesterday']),
      aimm(['status', '--json'], { env: { LOG_LEVEL: 'loud' } }),
    ]);
    expect(unknown.code).toBe(1);
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { code: 'unknown_model', exitCode: 1 } });
    expect(unknown.stderr).toContain('unknown_model');
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.stdout)).toMatchObject({ error: { code: 'usage', exitCode: 2 } });
    expect(config.code).toBe(2);
    expect(JSON.parse(config.stdout)).toMatchObject({
      error: { code: 'configuration', faults: [{ path: 'LOG_LEVEL' }] },
    });
  });

  test('a reader that has enough ends it without a word', async () => {
    const child = spawn('bash', ['-c', `set -o pipefail; ${command} models --json | head -1`], {
      env: { PATH: process.env['PATH'], ...stack.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr] = await Promise.all([readAll(child.stdout), readAll(child.stderr), once(child, 'close')]);
    expect({ stdout, stderr, code: child.exitCode }).toEqual({ stdout: '{\n', stderr: '', code: 0 });
  });

  test('SIGINT cancels the running request and says so; its exit code is 130', async () => {
    const { child, ended } = startAimm(stack.environment, ['generate', 'hi', '-m', model]);
    child.stdout.once('data', () => child.kill('SIGINT'));
    const { code, stderr } = await ended;
    expect(stderr).toContain('Cancelling the request');
    expect(stderr).toMatch(/Cancelled\.\n$/);
    expect(code).toBe(130);
    const cancelled = async () => JSON.parse((await aimm(['usage', '--json'])).stdout).totals.cancelled as number;
    await expect.poll(cancelled, { timeout: 10_000 }).toBe(1);
  });
});

describe('on a terminal', () => {
  test('generate shows the answer as it comes, in colours; Ctrl-C cancels it', async () => {
    const terminal = onTerminal(`generate "why?" -m ${model}`);
    await terminal.shows(/Demo answer in/);
    expect(terminal.screen()).not.toContain('out tokens');
    expect(await terminal.exited).toBe(0);
    expect(terminal.screen()).toContain(`${escape}2m`);
    expect(terminal.screen()).toContain('out tokens');

    const cancelled = onTerminal(`generate "why?" -m ${model}`, undefined, { NO_COLOR: '1' });
    await cancelled.shows(/Demo answer in/);
    cancelled.type('\u0003');
    expect(await cancelled.exited).toBe(130);
    expect(cancelled.screen()).toMatch(/Cancelling the request.*Cancelled\./s);
    for (const colour of ['1m', '2m', '31m', '33m']) expect(cancelled.screen()).not.toContain(escape + colour);
  });

  test('compare fills columns side by side, follows the window’s width, and ends with the whole of them', async () => {
    const terminal = onTerminal(`compare "Explain 日本語" -m ${model},${second}`, { columns: 100, rows: 30 });
    await terminal.shows(/waiting|asked|writing/);
    await terminal.resize(60, 30);
    expect(await terminal.exited).toBe(0);
    const frames = terminal.screen().split('\u001b[J').map(stripVTControlCharacters);
    const [first = '', last = ''] = [frames[0], frames.at(-1)];
    expect(frames.filter((frame) => frame.includes('writing')).length).toBeGreaterThan(1);
    expect(first.split(/\r?\n/)[0]).toMatch(/^openai\/gpt-5-mini {20,}│ ollama\/llama3\.2$/);
    const [columns = '', summary = ''] = last.split(/\r?\n\r?\n(?=Model )/);
    const lines = columns.split(/\r?\n/);
    expect(lines[0]).toMatch(/^openai\/gpt-5-mini {12}│ ollama\/llama3\.2$/);
    expect(lines.length).toBeGreaterThan(8);
    // Two cells each.
    const cells = (line: string) => line.length + (line.match(/[日本語]/g)?.length ?? 0);
    expect(lines.filter((line) => cells(line) > 59)).toEqual([]);
    expect(new Set(lines.map((line) => cells(line.split('│')[0] ?? '')))).toEqual(new Set([29]));
    expect(summary).toMatch(/^openai\/gpt-5-mini .*\n?/m);
    expect(summary).toContain('fastest: ');
  });

  test('bash completes commands, options, models and saved conversations at TAB', async () => {
    const script = join(folder, 'aimm.bash');
    await writeFile(script, (await aimm(['completion', 'bash'])).stdout);
    // The machine of a test may be busy with others.
    const env = { ...stack.environment, PS1: '> ', AIMM_COMPLETION_MS: '10000' };
    const terminal = openTerminal('bash --norc --noprofile -i', env, { columns: 200 });
    onTestFinished(() => terminal.end());
    terminal.type(`aimm() { echo "[$*]"; }; source ${script}\n`);
    terminal.type('aimm gen\t--mod\topenai/gpt-6.2-a\t--reasoning-effort=mini\t\n');
    await terminal.shows(/\[generate --model openai\/gpt-6\.2-astra --reasoning-effort=minimal\]/);
    terminal.type(`aimm conversations sh\t${conversationId.slice(0, 30)}\t\n`);
    await terminal.shows(new RegExp(`\\[conversations show ${conversationId}\\]`));
    terminal.type('exit\n');
    expect(await terminal.exited).toBe(0);
  });
});
