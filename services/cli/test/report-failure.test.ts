import { ModelManagerError } from '@aimm/contracts';
import { describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../src/interrupt.ts';
import { QuietFailure, reportFailure } from '../src/report-failure.ts';
import { runCli } from './support/run-cli.ts';

/** What a failure writes, and its exit code. */
function report(error: unknown, args: readonly string[]) {
  const [out, err] = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
  const written = { stdout: '', stderr: '' };
  out.mockImplementation((text) => ((written.stdout += String(text)), true));
  err.mockImplementation((text) => ((written.stderr += String(text)), true));
  try {
    return { code: reportFailure(error, args), ...written };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

describe('a failure', () => {
  it.each([
    ['of the request', new ModelManagerError('overloaded', 'Busy.', { hint: 'Wait.' }), 1, 'overloaded'],
    ['of what was given', new ModelManagerError('invalid_request', 'No prompt.'), 2, 'invalid_request'],
    ['by Ctrl-C', new Interrupted('SIGINT'), 130, 'cancelled'],
    ['by SIGTERM', new Interrupted('SIGTERM'), 143, 'cancelled'],
    ['of anything else', new Error('Odd.'), 1, 'internal'],
  ])('%s has its exit code, words on stderr, and with --json a document', (_name, error, exitCode, code) => {
    const plain = report(error, ['generate']);
    expect(plain).toMatchObject({ code: exitCode, stdout: '', stderr: expect.stringContaining(error.message) });
    const asJson = report(error, ['generate', '--json']);
    expect(asJson.code).toBe(exitCode);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ error: { code, message: error.message, exitCode } });
  });

  it('that has said everything itself says nothing more', () => {
    expect(report(new QuietFailure(), ['status', '--json'])).toEqual({ code: 1, stdout: '', stderr: '' });
  });
});

describe('a wrong command line', { timeout: 20_000 }, () => {
  it('never repeats what may be a key, in words or as JSON', async () => {
    const key = '--sk-0123456789abcdef';
    const { code, stdout, stderr } = await runCli(['keys', 'add', 'openai', key, '--json'], {});
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'usage', exitCode: 2 } });
    expect(stdout + stderr).not.toContain('0123456789');
  });

  it('of a service is refused too', async () => {
    const { code, stderr } = await runCli(['worker', '--frist'], {});
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("unknown option '--frist'") });
  });
});
