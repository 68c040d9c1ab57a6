import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTimeZone } from '../src/parse-options.ts';
import { parseBudget, parseClientName, parseExpiry, parseScopes } from '../src/parse-token-options.ts';
import { binPath } from '../src/stack/bin-path.ts';

describe('aimm tokens', { timeout: 30_000 }, () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = join(mkdtempSync(join(tmpdir(), 'aimm-tokens-')), 'data');
  });
  afterEach(() => rmSync(join(dataDir, '..'), { recursive: true, force: true }));

  const run = async (...args: string[]) => {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, [binPath, 'tokens', ...args], {
      env: { PATH, HOME, AIMM_DATA_DIR: dataDir, LOG_LEVEL: 'trace' },
    });
    child.stdin.end();
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { out, err, all: out + err, code: code as number };
  };

  it('prints a token once, alone on stdout, and keeps and shows nothing of it but its last characters', async () => {
    const args = ['--name', 'ci', '--budget', '$5/day', '--budget', '20/month', '--rpm', '60', '--expires', '90d'];
    const made = await run('create', ...args);
    expect(made.code).toBe(0);
    expect(made.out).toMatch(/^aimm_[0-9a-f]{64}\n$/);
    const token = made.out.trim();
    expect(made.err).toContain('Made the access token "ci" (generate, read; 60 rpm; $5.00/day; $20.00/month)');
    const listed = await run('list');
    expect(listed.out).toMatch(
      new RegExp(`ci +…${token.slice(-4)} +generate,read +60 rpm +\\$5.00/day, \\$20.00/month +.*never +live until`),
    );
    const json = await run('list', '--json');
    expect(JSON.parse(json.out)).toMatchObject([{ name: 'ci', scopes: ['generate', 'read'] }]);
    const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    for (const shown of [made.err, listed.all, json.all, ...files]) expect(shown).not.toContain(token.slice(5, 30));
  });

  it('prints it in JSON where it is asked to', async () => {
    const { out, err } = await run('create', '--name', 'ops', '--scopes', 'admin', '--json');
    expect(JSON.parse(out)).toMatchObject({ name: 'ops', scopes: ['admin'], token: expect.stringMatching(/^aimm_/) });
    expect(err).not.toContain('Made the access token');
    expect(err).not.toMatch(/aimm_[0-9a-f]{8}/);
  });

  it('revokes by name or id, says when there is none, and shows revoked ones when asked to', async () => {
    await run('create', '--name', 'ci');
    expect(await run('revoke', 'ci')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Revoked the access token "ci" \(….{4}\)\. It is refused within 5 seconds;/),
    });
    expect(await run('revoke', 'ci')).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is no such live token.'),
    });
    expect((await run('list')).out).toContain('There is no access token.');
    expect((await run('list', '--all')).out).toMatch(/ci .* revoked \d{4}-/);
    expect((await run('create', '--name', 'ci')).code).toBe(0);
    expect(await run('create', '--name', 'ci')).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is a live token called "ci" already.'),
    });
  });

  it('says what is wrong before it makes anything', async () => {
    for (const args of [
      [],
      ['--name', 'local'],
      ['--name', 'with space'],
      ['--name', 'ci', '--scopes', 'write'],
      ['--name', 'ci', '--budget', '5'],
      ['--name', 'ci', '--budget', '5/day', '--budget', '6/day'],
      ['--name', 'ci', '--rpm', '0'],
      ['--name', 'ci', '--expires', 'yesterday'],
    ]) {
      const refused = await run('create', ...args);
      expect([args, refused.code, refused.out]).toEqual([args, 2, '']);
      expect(refused.err).toContain('error: ');
    }
  });

  it('explains itself with examples', async () => {
    for (const command of ['create', 'list', 'revoke'])
      expect((await run(command, '--help')).out).toMatch(new RegExp(`Examples?:\n  \\$ aimm tokens ${command}`));
  });
});

describe('the options of a token', () => {
  it.each([
    ['5/day', 'day', 5e9],
    ['$5/day', 'day', 5e9],
    ['$2.50 per day', 'day', 2.5e9],
    ['5 usd / d', 'day', 5e9],
    ['20/month', 'month', 20e9],
    ['20 dollars a month', 'month', 20e9],
    ['0.01/mo', 'month', 1e7],
  ])('takes %s for a budget', (given, period, limitNanoUsd) => {
    expect(parseBudget(given)).toEqual([{ period, limitNanoUsd }]);
  });

  it.each(['5', '5/week', '-5/day', '0/day', '€5/day', '5,50/day', '1e9/day', '2000000/day', ''])(
    'does not take %j for a budget',
    (given) => expect(() => parseBudget(given)).toThrow('like 5/day'),
  );

  const now = Date.UTC(2026, 10, 22, 12);
  const hour = 3_600_000;
  it.each([
    ['12h', now + 12 * hour],
    ['90d', now + 90 * 24 * hour],
    ['2 weeks', now + 14 * 24 * hour],
    ['1y', now + 365 * 24 * hour],
    ['2027-01-31', Date.UTC(2027, 0, 31)],
    ['2027-01-31T08:00Z', Date.UTC(2027, 0, 31, 8)],
    ['never', undefined],
  ])('takes %s for the time that a token ends', (given, at) => {
    expect(parseExpiry(given, now)).toBe(at);
  });

  it.each(['', 'soon', '0d', '90', '5m', '2026-11-21', '2027-13-01'])('does not take %j for it', (given) => {
    expect(() => parseExpiry(given, now)).toThrow(/expected/);
  });

  it('takes scopes and names as people write them, and no others', () => {
    expect(parseScopes('Generate, read,read')).toEqual(['generate', 'read']);
    expect(() => parseScopes('')).toThrow('generate, read, admin');
    expect(() => parseScopes('generate,all')).toThrow('generate, read, admin');
    expect(parseClientName(' nightly-report.2 ')).toBe('nightly-report.2');
    for (const name of ['', 'local', 'dashboard', '*', 'a:b', 'a b', '-a', 'x'.repeat(65)])
      expect(() => parseClientName(name)).toThrow(/expected/);
    // As it was written, and not by its older name.
    expect(parseTimeZone('Asia/Kathmandu')).toBe('Asia/Kathmandu');
    expect(() => parseTimeZone('+02:00')).toThrow('Europe/Berlin');
    expect(() => parseTimeZone('Mars/Olympus')).toThrow('Europe/Berlin');
  });
});
