import { isAbsolute } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, requireNoFaults } from '../src/config-fault.ts';
import { loadEnvironment } from '../src/env.ts';

describe('the environment', () => {
  test('needs nothing set', () => {
    const { env, faults } = loadEnvironment({});
    expect(faults).toEqual([]);
    expect(env).toMatchObject({
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: 3920,
      DASHBOARD_PORT: 3921,
      WORKER_COUNT: 1,
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'json',
    });
    expect(isAbsolute(env.dataDir)).toBe(true);
  });

  test('takes an empty value as unset', () => {
    expect(loadEnvironment({ HTTP_PORT: '', REDIS_URL: '' })).toMatchObject({ faults: [], env: { HTTP_PORT: 3920 } });
  });

  test('tells all faults at once, each with its name and what is expected', () => {
    const { faults } = loadEnvironment({
      HTTP_PORT: '99999',
      REDIS_URL: 'localhost',
      DATABASE_URL: 'mysql://x',
      LOG_LEVEL: 'loud',
      WORKER_COUNT: 'many',
      AIMM_AUTH_TOKEN: 'short',
      AIMM_MASTER_KEY: 'short too',
      USAGE_RETENTION_DAYS: '0',
    });
    expect(Object.fromEntries(faults.map(({ path, expected }) => [path, expected]))).toEqual({
      HTTP_PORT: 'a port from 0 to 65535',
      REDIS_URL: expect.stringContaining('redis://host:6379'),
      DATABASE_URL: expect.stringContaining('postgresql://'),
      LOG_LEVEL: expect.stringContaining('trace, debug'),
      WORKER_COUNT: 'a whole number',
      AIMM_AUTH_TOKEN: 'at least 16 characters',
      AIMM_MASTER_KEY: 'at least 16 characters',
      USAGE_RETENTION_DAYS: 'at least 1',
    });
    expect(faults.every(({ source }) => source === 'environment')).toBe(true);
  });

  test.each(['redis://h:1', 'rediss://h', 'unix:/tmp/r.sock', 'unix:///tmp/r.sock'])(
    'takes %s as Redis',
    (REDIS_URL) => {
      expect(loadEnvironment({ REDIS_URL }).faults).toEqual([]);
    },
  );

  test('refuses an address of Redis whose password Redis’ client could not read, before that throws', () => {
    const [fault] = loadEnvironment({ REDIS_URL: 'redis://:50%off@host' }).faults;
    expect(fault).toMatchObject({ path: 'REDIS_URL', expected: expect.stringContaining('%25') });
    expect(loadEnvironment({ REDIS_URL: 'redis://:50%25off@host' }).faults).toEqual([]);
  });

  test('reads proxies in either case, the lower first, as http:// where they do not say', () => {
    const { env, raw } = loadEnvironment({
      HTTPS_PROXY: 'http://upper:1',
      https_proxy: 'http://ada:secret@lower:2',
      HTTP_PROXY: 'proxy.example:3128',
      http_proxy: '',
      no_proxy: 'example.com',
    });
    expect(env).toMatchObject({ HTTP_PROXY: 'http://proxy.example:3128', NO_PROXY: 'example.com' });
    expect([env.HTTPS_PROXY, raw['HTTPS_PROXY']]).toEqual(Array(2).fill('http://ada:secret@lower:2'));
  });

  test.each(['socks5://proxy:1080', 'http://', 'http://ada:50%off@proxy:3128', 'proxy:port'])(
    'refuses %s as a proxy',
    (HTTPS_PROXY) => {
      const [fault] = loadEnvironment({ HTTPS_PROXY }).faults;
      expect(fault).toMatchObject({ path: 'HTTPS_PROXY', expected: expect.stringContaining('http://proxy:3128') });
    },
  );

  test('takes a path as the same however it is spelled', () => {
    const read = (path: string) => {
      const { env } = loadEnvironment({ AIMM_DATA_DIR: path, AIMM_CONFIG_DIR: path, DATABASE_URL: `file:${path}` });
      return { dataDir: env.dataDir, configDir: env.configDir, url: env.DATABASE_URL };
    };
    const plain = { dataDir: '/srv/aimm', configDir: '/srv/aimm', url: 'file:/srv/aimm' };
    for (const path of ['/srv/aimm', '/srv/aimm/', '/srv//./aimm', '/srv/other/../aimm'])
      expect(read(path)).toEqual(plain);
  });

  test('refuses a path with a home directory that only a shell would put in', () => {
    const { faults } = loadEnvironment({
      AIMM_DATA_DIR: '~/aimm',
      AIMM_CONFIG_DIR: '~',
      DATABASE_URL: 'file:~/aimm.db',
    });
    expect(faults.map(({ path }) => path)).toEqual(['DATABASE_URL', 'AIMM_DATA_DIR', 'AIMM_CONFIG_DIR']);
    for (const { expected } of faults) expect(expected).toMatch(/absolute.*~ is not expanded/);
    expect(loadEnvironment({ AIMM_DATA_DIR: 'relative/~' }).faults).toEqual([]);
  });

  test('splits the providers of a worker', () => {
    expect(loadEnvironment({ WORKER_PROVIDERS: 'openai, mistral,' }).env.WORKER_PROVIDERS).toEqual([
      'openai',
      'mistral',
    ]);
  });
});

describe('faults', () => {
  test('stop a start with every one of them named', () => {
    const one = { source: 'config/providers.json', path: 'providers[2].kind', expected: 'a kind' };
    const two = { source: 'environment', path: 'HTTP_PORT', expected: 'a port' };
    expect(() => requireNoFaults([one], [two])).toThrow(ConfigError);
    expect(() => requireNoFaults([one], [two])).toThrow(
      /2 configuration faults:[\s\S]*providers\[2\]\.kind: expected a kind[\s\S]*HTTP_PORT/,
    );
    expect(() => requireNoFaults([], [])).not.toThrow();
  });
});

test('what is at fault leaves the rest as it was set', () => {
  const { env, faults } = loadEnvironment({ HTTP_PORT: 'abc', AIMM_CONFIG_DIR: '/etc/aimm', DASHBOARD_PORT: '4000' });
  expect(faults).toHaveLength(1);
  expect(env).toMatchObject({ HTTP_PORT: 3920, configDir: '/etc/aimm', DASHBOARD_PORT: 4000 });
});
