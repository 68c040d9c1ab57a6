import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { redactSecrets } from '../src/logger.ts';

const source = new URL('../src/logger.ts', import.meta.url).href;

/** What a process logs of an error that cites what it read, as far as it may. */
async function logCiting(citesErrors: boolean): Promise<string> {
  const script = `
    import { createLogger } from ${JSON.stringify(source)};
    const logger = await createLogger({ name: 'x', level: 'info', format: 'json', citesErrors: ${citesErrors} });
    const refused = Object.assign(new Error('OOM'), { name: 'ReplyError', command: { name: 'hset', args: ['the-prompt'] } });
    logger.child({ queue: 'q' }).error({ err: new Error('near the-answer', { cause: refused }), vendorMessage: 'it said the-word' }, 'failed');
    logger.error({ err: refused }, 'refused');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  return text(child.stderr);
}

describe('an error in the log', { timeout: 20_000 }, () => {
  test('is whole but for the commands that Redis refused', async () => {
    const log = await logCiting(true);
    expect(log).toContain('near the-answer');
    expect(log).toContain('it said the-word');
    expect(log).not.toContain('the-prompt');
  });

  test('cites nothing where content is not kept, and still tells what it was and where', async () => {
    const log = await logCiting(false);
    expect(log).not.toMatch(/the-answer|the-word|the-prompt/);
    const [first] = log.split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({
      queue: 'q',
      err: { type: 'Error', at: [expect.any(String)], cause: { type: 'ReplyError' } },
      msg: 'failed',
    });
  });
});

describe('log lines', () => {
  test('hold no known secret, wherever it stands', () => {
    const line = '{"err":"401 for sk-live-1234567890 (sk-live-1234567890)","msg":"x"}';
    expect(redactSecrets(line, ['sk-live-1234567890'])).toBe('{"err":"401 for [secret] ([secret])","msg":"x"}');
  });

  test('hold no secret in the form that JSON gives it', () => {
    const secret = 'pass"word\\1';
    expect(redactSecrets(JSON.stringify({ msg: `with ${secret}` }), [secret])).toBe('{"msg":"with [secret]"}');
  });

  test('are not torn apart by a secret as short as a word', () => {
    expect(redactSecrets('the demo answered', ['demo'])).toBe('the demo answered');
  });
});
