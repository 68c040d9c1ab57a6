import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { requireRequestSize } from '@aimm/batch/input';
import type { ImagePart } from '@aimm/contracts';
import type { GenerationAnswer } from '@aimm/manager';
import { describe, expect, it } from 'vitest';
import { takesColour } from '../src/env.ts';
import { readPrompt } from '../src/read-prompt.ts';
import { createAnswerDisplay } from '../src/show-answer.ts';
import { runCli } from './support/run-cli.ts';

const piped = (text: string) => ({ stdin: Readable.from([text]), stderr: { write: () => true } });
const terminal = {
  stdin: Object.assign(Readable.from(['never read']), { isTTY: true }),
  stderr: { write: () => true },
};

describe('the prompt', () => {
  it.each([
    ['an argument on a terminal', ['Why?'], terminal, 'Why?'],
    ['words without quotes', ['Why', 'so?'], terminal, 'Why so?'],
    ['stdin alone', [], piped('Why?\n'), 'Why?'],
    ['an argument, then what is piped', ['Summarise'], piped('a\nb\n'), 'Summarise\n\na\nb'],
    ['stdin where the dash is', ['Before', '-', 'after'], piped('a\n'), 'Before\n\na\n\nafter'],
    ['an argument and an empty pipe', ['Why?'], piped(''), 'Why?'],
  ])('is %s', async (_name, words, streams, expected) => {
    expect(await readPrompt(words, streams)).toBe(expected);
  });

  it.each([
    ['there is none', [], piped(' \n')],
    ['the dash comes twice', ['-', '-'], piped('a')],
  ])('is refused where %s', async (_name, words, streams) => {
    await expect(readPrompt(words, streams)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('a request that is too long', () => {
  it.each([
    ['generate', ['generate', 'more than ten bytes']],
    ['compare', ['compare', 'short', '-m', 'fast,smart', '--judge', 'fast', '--criteria', 'long ones']],
  ])('is refused by %s before anything is started', async (_command, args) => {
    const { code, stderr } = await runCli(args, { AIMM_MAX_PROMPT_BYTES: '10', AIMM_DATA_DIR: '/dev/null/none' });
    expect([code, stderr]).toEqual([2, expect.stringContaining('AIMM_MAX_PROMPT_BYTES')]);
    expect(stderr).toContain('the limit is 10 bytes');
  });

  it('is one whose images are larger than a message may be, too', () => {
    const image = (length: number): ImagePart => ({ type: 'image', data: 'a'.repeat(length), mediaType: 'image/png' });
    const ask = (...content: ImagePart[]) => ({ messages: [{ role: 'user' as const, content }], settings: {} });
    const half = 16 * 1024 * 1024;
    expect(() => requireRequestSize(ask(image(half), image(half)), 10)).not.toThrow();
    expect(() => requireRequestSize(ask(image(half), image(half + 1)), 10)).toThrow('limit is 32 MB');
  });
});

describe('the answer', () => {
  const open = (isTTY: boolean) => {
    const written = { out: '', err: '' };
    const display = createAnswerDisplay({
      stdout: { isTTY, write: (text) => (written.out += text) },
      stderr: { isTTY, write: (text) => (written.err += text) },
    });
    return { written, display };
  };
  const answer = (text: string): GenerationAnswer => ({
    requestId: 'gen_1',
    provider: 'openai',
    model: 'gpt-5-mini',
    text,
    finishReason: { unified: 'stop' },
    usage: { inputTokens: 1, outputTokens: 2 },
    costNanoUsd: 1_000,
    latency: { queueMs: 1, providerMs: 2, totalMs: 3 },
    calls: 1,
    cached: false,
    warnings: [],
  });
  const text = (piece: string) => ({ type: 'text', text: piece, totalLength: 0 }) as const;

  it('is written as it comes, and ends with one line break', () => {
    const { written, display } = open(false);
    display.onProgress(text('one '));
    expect(written.out).toBe('one ');
    display.onProgress(text('two'));
    display.end(answer('one two'));
    expect(written.out).toBe('one two\n');
    expect(written.err).toContain('openai/gpt-5-mini · 1 in, 2 out tokens · cost $0.0000010');
  });

  it('is whole where nothing of it was streamed', () => {
    const { written, display } = open(false);
    display.end(answer('from the cache\n'));
    expect(written.out).toBe('from the cache\n');
  });

  it('begins again on a line of its own', () => {
    const { written, display } = open(false);
    display.onProgress(text('half'));
    display.onProgress({ type: 'reset', reason: { code: 'network', message: 'It broke.', retryable: true } });
    display.onProgress(text('whole'));
    display.end(answer('whole'));
    expect(written.out).toBe('half\nwhole\n');
    expect(written.err).toContain('[It broke. Asking again.]');
  });

  it('cannot steer a terminal, and comes unchanged through a pipe', () => {
    const evil = 'a\u001b]0;title\u0007b\u001b[2Jc\td\n';
    for (const [isTTY, expected] of [
      [true, 'a]0;titleb[2Jc\td\n'],
      [false, evil],
    ] as const) {
      const { written, display } = open(isTTY);
      display.onProgress(text(evil));
      expect(written.out).toBe(expected);
    }
  });

  it('is preceded by its place in the queue: one line that goes on a terminal, each news once elsewhere', () => {
    const queued = {
      type: 'queued',
      provider: 'openai',
      model: 'm',
      position: 4,
      ahead: 3,
      waitingFor: 'queue',
    } as const;
    const on = open(true);
    on.display.onProgress(queued);
    on.display.onProgress({ ...queued, ahead: 2 });
    on.display.onProgress(text('x'));
    const gone = '\r\u001b[K';
    const lines = ['3', '2'].map((ahead) => expect.stringContaining(`${ahead} ahead in the queue`));
    expect(on.written.err.split(gone)).toEqual([...lines, '']);
    const off = open(false);
    for (let again = 0; again < 3; again += 1) off.display.onProgress(queued);
    expect(off.written.err).toBe('[3 ahead in the queue of openai]\n');
  });
});

describe('colours', () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{}, {}, false],
    [{}, { CI: 'true' }, false],
    [{}, { FORCE_COLOR: '1' }, true],
    [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
    [{}, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('of %j in %j: %s', (stream, env, expected) => {
    expect(takesColour(stream, env)).toBe(expected);
  });
});

describe('Ctrl-C', { timeout: 20_000 }, () => {
  const start = async (work: string) => {
    const module = fileURLToPath(new URL('../src/interrupt.ts', import.meta.url));
    const code = `import { withInterrupt } from ${JSON.stringify(module)};
      setInterval(() => undefined, 1000);
      await withInterrupt(async (signal) => {
        process.stdout.write('ready');
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        ${work}
      }).catch((error) => setTimeout(() => process.exit(error.exitCode), 50));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'pipe'] });
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    const [said] = await once(child.stderr, 'data');
    expect(String(said)).toContain('Ctrl-C again leaves at once');
    return child;
  };

  it('that comes twice with one key press lets the request be cancelled', async () => {
    const child = await start(`process.stdout.write('cancelling');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      process.stdout.write('cancelled');
      throw new Error('it was cancelled');`);
    child.kill('SIGINT');
    child.stdin.end('go on');
    const [said] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect([said.endsWith('cancelled'), child.exitCode, child.signalCode]).toEqual([true, 130, null]);
  });

  it('leaves at once when it comes a second time', async () => {
    const child = await start('await new Promise(() => undefined);');
    const again = setInterval(() => child.kill('SIGINT'), 50);
    expect(await once(child, 'exit')).toEqual([130, null]);
    clearInterval(again);
  });
});
