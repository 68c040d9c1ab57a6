import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkDataDirectory, checkNode } from '../src/doctor/check-machine.ts';
import { toFinding } from '../src/doctor/check-providers.ts';
import { checkInfo, checkWorkers, parseInfo } from '../src/doctor/check-redis.ts';
import { byDeadline, type Finding } from '../src/doctor/finding.ts';
import { runCli } from './support/run-cli.ts';

const sound = {
  redis_version: '7.0.15',
  maxmemory_policy: 'noeviction',
  maxmemory: '0',
  used_memory: '1',
  used_memory_human: '1B',
  aof_enabled: '1',
};
const statesOf = (given: Record<string, string>) =>
  Object.fromEntries(
    checkInfo(new Map(Object.entries({ ...sound, ...given }))).map(({ check, state }) => [check, state]),
  );

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aimm-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Takes connections and never answers. */
async function listenSilently(): Promise<number> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function examine(env: Record<string, string>): Promise<{ code: number | null; findings: Finding[] }> {
  const { PATH = '' } = process.env;
  const { code, stdout } = await runCli(['doctor', '--json'], { PATH, HTTP_PORT: '0', DASHBOARD_PORT: '0', ...env });
  return { code, findings: JSON.parse(stdout) as Finding[] };
}

describe('what Redis says of itself', () => {
  it.each([
    ['all is well', {}, {}],
    ['it is old', { redis_version: '6.2.14' }, { 'Redis version': 'failed' }],
    ['it throws keys away', { maxmemory_policy: 'allkeys-lru' }, { 'Redis memory': 'failed' }],
    ['it is nearly full', { maxmemory: '100', used_memory: '95' }, { 'Redis memory': 'warning' }],
    ['it keeps no append-only file', { aof_enabled: '0' }, { 'Redis persistence': 'warning' }],
    ['it cannot write', { aof_last_write_status: 'err' }, { 'Redis persistence': 'failed' }],
  ])('%s', (_name, given, expected) => {
    const well = { 'Redis version': 'ok', 'Redis memory': 'ok', 'Redis persistence': 'ok' };
    expect(statesOf(given)).toEqual({ ...well, ...expected });
  });

  it('is read line by line', () => {
    expect(parseInfo('# Server\r\nredis_version:7.2.1\r\n\r\nexecutable:/a:b\r\n')).toEqual(
      new Map([
        ['redis_version', '7.2.1'],
        ['executable', '/a:b'],
      ]),
    );
  });
});

describe('workers', () => {
  const worker = { id: 'a', host: 'one', pid: 7, startedAt: 1, seenAt: 1, version: '2.0.0', skewMs: 3, providers: [] };
  const told = (given: object) =>
    checkWorkers([{ ...worker, ...given }], '2.0.0').flatMap(({ check, state }) => (state === 'ok' ? [] : [check]));

  it.each([
    ['all is well', {}, []],
    ['it is of a version that did not say it yet', { version: undefined }, []],
    ['it is of another version', { version: '1.9.0' }, ['Worker version']],
    ['its clock is wrong', { skewMs: -61_000 }, ['Worker clock']],
    ['it keeps rows of the ledger on its disk', { spoolBytes: 10 }, ['Ledger']],
  ])('%s', (_name, given, expected) => {
    expect(told(given)).toEqual(expected);
  });

  it('there is none', () => {
    expect(checkWorkers([], '2.0.0')).toMatchObject([
      { state: 'failed', mend: expect.stringContaining('aimm worker') },
    ]);
  });
});

describe('a provider', () => {
  const health = { provider: 'openai', kind: 'openai', configured: true, demo: false, checkedAt: 1, reachable: true };
  it.each([
    ['that answers', { keyValid: true, modelCount: 3 }, true, 'ok'],
    ['that refuses the key', { keyValid: false, problem: 'refused', hint: 'Set it.' }, true, 'failed'],
    ['that cannot be reached', { reachable: false, problem: 'not there' }, true, 'failed'],
    ['without keys that does not run', { reachable: false, problem: 'not there' }, false, 'warning'],
    ['without its key', { configured: false, problem: 'no key' }, true, 'warning'],
    ['of the demo', { demo: true }, true, 'warning'],
    ['whose default model is gone', { defaultModel: { id: 'old', available: false } }, true, 'warning'],
  ])('%s', (_name, given, keyRequired, state) => {
    expect(toFinding({ ...health, ...given }, keyRequired)).toMatchObject({ check: 'Provider openai', state });
  });

  it.each([
    ['with a key', true, 'Set its key to ask the real one.'],
    ['without keys', false, 'Start it: the next client finds it, and asks the real one.'],
  ])('of the demo %s is told how to be asked', (_name, keyRequired, mend) => {
    expect(toFinding({ ...health, demo: true }, keyRequired)).toMatchObject({ says: 'Demo answers.', mend });
  });
});

describe('the machine', () => {
  it.each([
    ['20.11.0', 'failed'],
    ['22.17.0', 'failed'],
    ['22.18.0', 'warning'],
    ['24.0.0', 'ok'],
  ])('Node %s is %s', (version, state) => {
    expect(checkNode(version)).toMatchObject({ state });
  });

  it('a data directory that is not there yet is looked for above, and not made', () => {
    const folder = makeFolder();
    expect(checkDataDirectory(join(folder, 'a/b'))).toMatchObject([
      { says: expect.stringContaining('made at the first start') },
    ]);
    expect(() => rmSync(join(folder, 'a'))).toThrow('ENOENT');
  });

  it.skipIf(process.getuid?.() === 0)('a data directory of somebody else is told', () => {
    const folder = makeFolder();
    chmodSync(folder, 0o500);
    expect(checkDataDirectory(folder)).toMatchObject([
      { state: 'failed', mend: expect.stringContaining('AIMM_DATA_DIR') },
    ]);
  });

  it('what hangs is given up at the deadline', async () => {
    const never = new Promise<string>(() => undefined);
    expect(await byDeadline(Date.now() + 10, never, 'late')).toBe('late');
    expect(await byDeadline(Date.now() + 10_000, Promise.resolve('here'), 'late')).toBe('here');
  });
});

describe('aimm doctor', { timeout: 20_000 }, () => {
  it('works while all is down, starts nothing, and ends well where nothing must be mended', async () => {
    const dataDir = join(makeFolder(), 'data');
    const { code, findings } = await examine({ AIMM_DATA_DIR: dataDir });
    const states = new Map(findings.map(({ check, state }) => [check, state]));
    expect(states.get('Stack')).toBe('warning');
    expect(states.get('Database')).toBe('ok');
    expect(states.get('Provider openai')).toBe('warning');
    expect(code).toBe(0);
    for (const { state, mend } of findings) expect(state === 'ok' || mend !== undefined).toBe(true);
    expect(checkDataDirectory(dataDir)).toMatchObject([{ says: expect.stringContaining('made at the first start') }]);
  });

  it('ends within 10 s where Redis and the database take connections and never answer; no password is told', async () => {
    const port = await listenSilently();
    const startedAt = Date.now();
    const { code, findings } = await examine({
      AIMM_DATA_DIR: makeFolder(),
      REDIS_URL: `redis://:hush-hush@127.0.0.1:${port}`,
      DATABASE_URL: `postgresql://me:hush-hush@127.0.0.1:${port}/aimm`,
      HTTP_PORT: String(port),
    });
    expect(Date.now() - startedAt).toBeLessThan(10_000);
    expect(code).toBe(1);
    const failed = findings.filter(({ state }) => state === 'failed').map(({ check }) => check);
    expect(failed).toEqual(['Redis', 'Database']);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'Port of MCP over HTTP', state: 'warning' }));
    expect(JSON.stringify(findings)).not.toContain('hush');
  });

  it('tells every fault of the configuration with what is expected', async () => {
    const { code, findings } = await examine({ AIMM_DATA_DIR: makeFolder(), LOG_LEVEL: 'loud' });
    expect(code).toBe(1);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'Configuration', state: 'failed', mend: expect.stringContaining('trace') }),
    );
  });
});
