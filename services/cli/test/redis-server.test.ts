import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureStackDirectories, type StackPaths, toStackPaths } from '@aimm/local-stack';
import { connectFront } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRedisProbe } from '../src/stack/redis-commands.ts';
import { type PrivateRedis, startPrivateRedis } from '../src/stack/redis-server.ts';
import { listProcesses } from './support/processes.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const path = process.env['PATH'] ?? '';

describe('startPrivateRedis', { timeout: 30_000 }, () => {
  let paths: StackPaths;
  let redis: PrivateRedis | undefined;

  beforeEach(() => {
    paths = toStackPaths(mkdtempSync(join(tmpdir(), 'aimm-redis-')));
    ensureStackDirectories(paths);
  });
  afterEach(async () => {
    await redis?.stop();
    redis = undefined;
    rmSync(paths.dataDir, { recursive: true, force: true });
  });

  const start = async () => (redis = await startPrivateRedis(paths, path, logger));
  const ask = async <T>(work: (client: ReturnType<typeof connectFront>) => Promise<T>): Promise<T> => {
    const client = connectFront(`unix:${paths.redisSocket}`, logger);
    await new Promise((resolve) => client.once('ready', resolve));
    return work(client).finally(() => client.disconnect());
  };
  const pidOf = () => ask(async (client) => Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]));

  it('listens on its socket only, keeps what it is told, and drops nothing when memory is short', async () => {
    await start();
    const settings = await ask((client) =>
      client.config('GET', 'port', 'appendonly', 'appendfsync', 'maxmemory-policy'),
    );
    expect(Object.fromEntries(pairsOf(settings))).toEqual({
      port: '0',
      appendonly: 'yes',
      appendfsync: 'everysec',
      'maxmemory-policy': 'noeviction',
    });
  });

  it('writes what it holds before it stops', async () => {
    await start();
    await ask((client) => client.set('kept', 'yes'));
    await redis?.stop();
    expect(await openRedisProbe(paths.redisSocket)).toBe('absent');
    await start();
    expect(await ask((client) => client.get('kept'))).toBe('yes');
  });

  it('comes back with its data when it is killed', async () => {
    await start();
    await ask((client) => client.set('kept', 'yes'));
    const before = await pidOf();
    process.kill(before, 'SIGKILL');
    await vi.waitFor(async () => expect(await pidOf()).not.toBe(before), { timeout: 10_000 });
    expect(await ask((client) => client.get('kept'))).toBe('yes');
    expect(redis?.problem()).toBeUndefined();
  });

  it('adopts a server that an ended supervisor left running', async () => {
    await start();
    const before = await pidOf();
    // A second keeper on the same directory is what a new supervisor is; the first is gone for good once it stops.
    const adopted = await startPrivateRedis(paths, path, logger);
    expect(await pidOf()).toBe(before);
    expect(listProcesses().filter(({ args }) => args.includes(paths.redisSocket))).toHaveLength(1);
    await redis?.stop();
    await vi.waitFor(async () => expect(await pidOf()).not.toBe(before), { timeout: 10_000 });
    await adopted.stop();
    expect(await openRedisProbe(paths.redisSocket)).toBe('absent');
  });

  it('waits for a server that listens but does not answer yet', async () => {
    const held: Socket[] = [];
    const mute = createServer((socket) => held.push(socket)).listen(paths.redisSocket);
    const starting = start();
    await vi.waitFor(() => expect(held).not.toEqual([]));
    expect(listProcesses().filter(({ args }) => args.includes(paths.redisSocket))).toEqual([]);
    mute.close();
    for (const socket of held) socket.destroy();
    await starting;
    expect(await pidOf()).toBeGreaterThan(0);
  });

  it('waits for one that loads its data longer than a start may take, and says so', async () => {
    const bin = join(paths.dataDir, 'bin');
    const starts = join(paths.dataDir, 'starts');
    mkdirSync(bin);
    // As Redis does: it listens at once, and refuses what it is asked until its data is there.
    const server = `#!${process.execPath}
      if (process.argv.includes('--version')) return console.log('Redis server v=8.0.0');
      require('node:fs').appendFileSync(${JSON.stringify(starts)}, 'x');
      let answer = '-LOADING Redis is loading the dataset in memory';
      setTimeout(() => (answer = '+PONG'), 2_500);
      require('node:net').createServer((socket) => socket.on('data', (asked) => {
        if (String(asked).startsWith('SHUTDOWN')) process.exit(0);
        socket.write(answer + '\\r\\n');
      })).listen(process.argv[process.argv.indexOf('--unixsocket') + 1]);`;
    writeFileSync(join(bin, 'redis-server'), server, { mode: 0o755 });
    const warn = vi.spyOn(logger, 'warn');
    redis = await startPrivateRedis(paths, bin, logger, { startLimitMs: 2_000 });
    expect(redis.problem()).toBeUndefined();
    expect(warn.mock.calls).toEqual([[expect.stringContaining('loads its data')]]);
    expect(readFileSync(starts, 'utf8')).toBe('x');
    warn.mockRestore();
  });
});

function pairsOf(flat: unknown): [string, string][] {
  const values = flat as string[];
  return values.flatMap((value, index) => (index % 2 === 0 ? [[value, values[index + 1] ?? '']] : []));
}
