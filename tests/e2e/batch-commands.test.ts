import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { createManager, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { toItems } from '../support/batches.ts';
import { createLocalStack, type LocalStack } from '../support/local-stack.ts';
import { binPath } from '../support/mcp-client.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

const models = 'openai/gpt-5-mini,anthropic/claude-haiku-4-5';
const [hideCursor, showCursor] = ['\u001b[?25l', '\u001b[?25h'];

// As this command is.
const admin = { client: 'local', admin: true };

let stack: LocalStack;
let other: Manager;
let folder: string;
const fileOf = (count: number) => join(folder, `${count}.jsonl`);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aimm-batch-cli-'));
  for (const count of [3, 12, 48]) {
    const lines = Array.from({ length: count }, (_, index) =>
      JSON.stringify({ id: `q${index}`, prompt: `plum ${index}` }),
    );
    await writeFile(fileOf(count), lines.join('\n'));
  }
  stack = await createLocalStack({ OPENAI_RPM: '6000', ANTHROPIC_RPM: '6000' });
  // The other terminal: what its commands do, without the second that each takes to start.
  const up = await aimm('list --json');
  expect(up.stdout).toBe('[]\n');
  const info = await stack.info();
  if (info === undefined) throw new Error('it runs');
  const { redisUrl, databaseUrl } = info;
  const logger = await createLogger({ name: 'other', level: 'silent', format: 'json' });
  other = await createManager({ redisUrl, databaseUrl, raw: stack.environment, logger });
});
afterAll(async () => {
  await other?.close();
  await stack?.end();
  await rm(folder, { recursive: true, force: true });
});

async function aimm(args: string) {
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, ...stack.environment };
  const child = spawn(process.execPath, [binPath, 'batch', ...args.split(' ')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([readAll(child.stdout), readAll(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

function onTerminal(args: string, size = { columns: 100, rows: 30 }, env: Record<string, string> = {}): Terminal {
  const terminal = openTerminal(`${process.execPath} ${binPath} batch ${args}`, { ...stack.environment, ...env }, size);
  onTestFinished(() => terminal.end());
  return terminal;
}

const start = (count: number) => other.startBatch(admin, { items: toItems('other', count), models: models.split(',') });
const endOf = async (id: string) => {
  await expect
    .poll(async () => (await other.getBatch(admin, id)).endedAt, { timeout: 40_000, interval: 200 })
    .toBeDefined();
};
const framesOf = (terminal: Terminal) => terminal.screen().split('\u001b[J').map(stripVTControlCharacters);
const findId = (terminal: Terminal) => /bat_[0-9a-f-]{36}/.exec(terminal.screen())?.[0] ?? '';
const cursorIsBack = (terminal: Terminal) =>
  terminal.screen().lastIndexOf(showCursor) > terminal.screen().lastIndexOf(hideCursor);

describe('a batch on a terminal', () => {
  test('is redrawn in place, a row for each provider, follows the window’s width, and ends with what models came to', async () => {
    const terminal = onTerminal(`run ${fileOf(12)} -m ${models},openai/gpt-5@batch --name plums`);
    await terminal.shows(/of 6,000/);
    expect(cursorIsBack(terminal)).toBe(false);
    await terminal.resize(44, 30);
    expect(await terminal.exited).toBe(0);
    expect(cursorIsBack(terminal)).toBe(true);
    const frames = framesOf(terminal);
    const [first = '', last = ''] = [frames[0], frames.at(-1)];
    expect(first).toMatch(/Demo: stand-ins answer/);
    expect(
      frames.some((frame) => /^openai .*\n^anthropic .*\n^openai \(batch\) /m.test(frame.replaceAll('\r', ''))),
    ).toBe(true);
    const running = frames.filter((frame) => frame.startsWith('plums  running'));
    expect(running.length).toBeGreaterThan(2);
    const narrow = running.slice(-2).join('\n').split(/\r?\n/);
    expect(narrow.filter((line) => line.length > 43)).toEqual([]);
    // The view has gone, the summary stays.
    expect(last).toMatch(/^bat_.* \(plums\) completed\r?\n36 of 36 done \(100 %\) · \$/);
    expect(last).toMatch(/openai\/gpt-5 +12\/12 +0/);
    expect(last).not.toContain('provider');
    expect(terminal.screen()).toContain('\u001b[1m');
  });

  test('that somebody pauses elsewhere says so and how to go on; Ctrl-C leaves it to itself', async () => {
    const terminal = onTerminal(`run ${fileOf(48)} -m ${models}`, undefined, { NO_COLOR: '1' });
    await terminal.shows(/ {2}running/);
    const id = findId(terminal);
    await other.pauseBatch(admin, id);
    await terminal.shows(/ {2}paused[\s\S]*Paused: `aimm batch resume bat_/);
    await other.resumeBatch(admin, id);
    await terminal.shows(/ {2}paused[\s\S]* {2}running/);
    terminal.type('\u0003');
    expect(await terminal.exited).toBe(130);
    expect(terminal.screen()).toContain(`\`aimm batch watch ${id}\` follows it`);
    expect(cursorIsBack(terminal)).toBe(true);
    for (const colour of ['1m', '2m', '32m', '33m']) expect(terminal.screen()).not.toContain(`\u001b[${colour}`);
    expect((await other.getBatch(admin, id)).status).toBe('running');
    await endOf(id);
    expect((await other.getBatch(admin, id)).counts).toMatchObject({ succeeded: 96 });
  });

  test('asks where it may cost more than it should, and takes no silence for a yes', async () => {
    const line = `run ${fileOf(3)} -m openai/gpt-5 --max-cost 0.000001`;
    const [refused, taken] = [onTerminal(line), onTerminal(`${line} --detach`)];
    await refused.shows(/Start it all the same, without a limit\? \[y\/N\]/);
    refused.type('\r');
    await taken.shows(/\[y\/N\]/);
    taken.type('y\r');
    const piped = await aimm(line);
    expect([piped.code, piped.stdout]).toEqual([1, '']);
    expect(piped.stderr).toMatch(/expected to cost about \$.*Nothing was asked/s);
    expect([await refused.exited, await taken.exited]).toEqual([1, 0]);
    expect(refused.screen()).toContain('budget_exceeded');
    const started = await other.getBatch(admin, findId(taken));
    expect(started.maxCostNanoUsd).toBeUndefined();

    // Who says so beforehand has named the limit beside it.
    const unasked = await aimm(`${line} --yes --detach`);
    expect(unasked.code).toBe(0);
    expect(unasked.stderr).toMatch(/expected to cost about \$\S+, more than \$0\.0000010: it starts, and pauses when/);
    expect(await other.getBatch(admin, unasked.stdout.trim())).toMatchObject({ maxCostNanoUsd: 1_000 });
  });

  test.each([
    ['Ctrl-C', '\u0003', 130],
    ['the end of its input', '\u0004', 1],
  ])('is not started by %s at the question, which is no fault of ours', async (_key, typed, code) => {
    const terminal = onTerminal(`run ${fileOf(3)} -m openai/gpt-5 --max-cost 0.000001`);
    await terminal.shows(/\[y\/N\]/);
    terminal.type(typed);
    expect(await terminal.exited).toBe(code);
    expect(terminal.screen()).toContain(code === 130 ? 'Cancelled.' : 'Nothing was asked.');
    expect(terminal.screen()).not.toContain('(internal)');
  });

  test('is deleted once somebody says yes, and not while it runs', async () => {
    const { batchId: id } = await start(48);
    await expect(other.deleteBatch(admin, id)).rejects.toMatchObject({ code: 'invalid_request' });
    await other.cancelBatch(admin, id);
    await endOf(id);
    const stranger = { client: 'somebody-else', admin: false };
    await expect(other.deleteBatch(stranger, id)).rejects.toThrow('There is no batch');
    const [mute, gone] = [aimm(`delete ${id}`), onTerminal(`delete ${id}`)];
    await gone.shows(/Delete bat_.* with its 48 items .*\[y\/N\]/);
    expect(await mute).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    gone.type('y\r');
    expect(await gone.exited).toBe(0);
    await expect(other.getBatch(admin, id)).rejects.toThrow('There is no batch');
  });
});

describe('a batch through pipes', () => {
  test('of which nothing failed is not asked again, which is said', async () => {
    const { batchId: id } = await start(3);
    await endOf(id);
    const { code, stdout, stderr } = await aimm(`retry ${id} --json`);
    expect([code, stderr]).toEqual([0, 'Nothing of it has failed: nothing is asked again.\n']);
    expect(JSON.parse(stdout)).toMatchObject({ batchId: id, status: 'completed' });
  });

  test('tells lines on stderr, its result alone on stdout, and steers no terminal', async () => {
    const { code, stdout, stderr } = await aimm(`run ${fileOf(12)} -m ${models}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^bat_\S+ completed\n24 of 24 done/);
    expect(stderr).toMatch(/^bat_\S+ completed: 24 of 24 \(100 %\), \$/m);
    expect(stdout + stderr).not.toContain('\u001b');
  });

  test('that is paused elsewhere ends with code 1, one JSON document and the way to go on', async () => {
    const { batchId: id } = await start(48);
    await other.pauseBatch(admin, id);
    const { code, stdout, stderr } = await aimm(`watch ${id} --json`);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ batchId: id, status: 'paused' });
    expect(stderr).toContain(`\`aimm batch resume ${id}\` goes on with it.`);
    await other.cancelBatch(admin, id);
  });

  test('whose results cannot be written, or whose items not be read, fails with code 2 and says so', async () => {
    const { batchId: id } = await start(3);
    await endOf(id);
    const report = join(folder, 'report.csv');
    const [nowhere, aFolder, unread, written] = await Promise.all([
      aimm(`results ${id} --format csv --out ${join(folder, 'missing', 'report.csv')}`),
      aimm(`results ${id} --json --out ${folder}`),
      aimm(`run ${folder} -m openai/gpt-5 --json`),
      aimm(`results ${id} --format csv --out ${report}`),
    ]);
    expect(nowhere).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/cannot be written \(ENOENT\)\. \(inv/),
    });
    for (const { code, stdout } of [aFolder, unread]) {
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({
        error: { code: 'invalid_request', message: expect.stringContaining('EISDIR') },
      });
    }
    expect(written).toMatchObject({ code: 0, stdout: '', stderr: `Wrote ${report}\n` });
    expect((await readFile(report, 'utf8')).trim().split('\r\n')).toHaveLength(7);
  });
});

test('what others wrote steers no terminal: names of batches, titles, messages', async () => {
  const evil = 'plum\u001b]0;owned\u0007 \u001b[31mred\nsecond';
  const { batchId: id } = await other.startBatch(admin, {
    items: toItems('evil', 1),
    models: ['openai/gpt-5-mini'],
    name: evil,
  });
  const content = [{ type: 'text' as const, text: evil }];
  const { result } = await other.generate(admin, {
    messages: [{ role: 'user', content }],
    settings: {},
    model: 'openai/gpt-5-mini',
    saveConversation: true,
  });
  const { conversationId = '' } = await result;
  await endOf(id);
  const shows = async (args: string) => {
    const terminal = openTerminal(
      `${process.execPath} ${binPath} ${args}`,
      { ...stack.environment, NO_COLOR: '1' },
      { columns: 200 },
    );
    expect(await terminal.exited).toBe(0);
    return terminal.screen();
  };
  const [batches, titles, said] = await Promise.all([
    shows('batch list'),
    shows('conversations list'),
    shows(`conversations show ${conversationId}`),
  ]);
  for (const screen of [batches, titles, said]) {
    expect(screen).toContain('plum]0;owned');
    expect(screen).not.toContain('\u001b]');
    expect(screen).not.toContain('\u001b[31m');
  }
  expect(batches).toMatch(/red second .*completed/);
});
