import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import { findStack, joinStack, type StackConnection, toStackPaths } from '@aimm/local-stack';
import { connectFront, listWorkers } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { stackLaunch } from '../src/session.ts';
import { openRedisProbe } from '../src/stack/redis-commands.ts';
import { isAlive, listProcesses } from './support/processes.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const spec = { settings: {}, variants: [{ settings: {} }], assertions: [], tags: [] };
const farAway = { column: 0, provider: 'openai', model: 'm', round: 1, requests: [], createdAt: 1, nextAt: 9e12 };
const plantedKey = 'sk-planted-0123456789abcdef';

/** The real thing: supervisor, Redis, worker and dashboard as processes. */
describe('the local stack', { timeout: 60_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'aimm-stack-'));
  const paths = toStackPaths(dataDir);
  const connections: StackConnection[] = [];
  const connect = async (raw: Record<string, string> = {}) => {
    const base = { PATH: process.env['PATH'], HOME: process.env['HOME'], DASHBOARD_PORT: '0', AIMM_IDLE_SECONDS: '2' };
    const connection = await joinStack({
      dataDir,
      raw: { ...base, ...raw },
      logger,
      launch: stackLaunch,
      timeoutMs: 45_000,
    });
    connections.push(connection);
    return connection;
  };
  let stack: StackConnection;

  beforeAll(async () => {
    // Five clients at once, where nothing runs yet.
    [stack] = await Promise.all([connect(), connect(), connect(), connect(), connect()]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await (await findStack(dataDir))?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('is one stack however many clients race to start it', async () => {
    expect(new Set(connections.map(({ info }) => info.pid)).size).toBe(1);
    await vi.waitFor(() => expect(pidsWith(dataDir, 'redis-server')).toHaveLength(1));
    expect(pidsOf(stack.info.pid)).toContain('worker');
  });

  it('takes a key that a client brings, and shows it nowhere', async () => {
    const client = await connect({ OPENAI_API_KEY: plantedKey });
    expect(client.info).toMatchObject({ demo: false, configured: ['openai'] });
    expect(JSON.stringify(client.info)).not.toContain(plantedKey);
    expect(listProcesses().filter(({ args }) => args.includes(plantedKey))).toEqual([]);
    const holding = filesUnder(dataDir).filter((file) => readFileSync(file).includes(plantedKey));
    expect(holding).toEqual([]);
    expect(filesUnder(dataDir).length).toBeGreaterThan(3);
  });

  it('reads its configuration anew on SIGHUP, and goes on', async () => {
    const { pid } = stack.info;
    const told = () => readFileSync(paths.stackLog, 'utf8').split('The configuration was read anew').length - 1;
    const before = told();
    // One that had begun to leave would have no worker left to obey the second.
    for (const times of [1, 2]) {
      process.kill(pid, 'SIGHUP');
      await vi.waitFor(() => expect(told()).toBe(before + times), 10_000);
    }
    expect([isAlive(pid), stack.info.pid]).toEqual([true, pid]);
  });

  it('is replaced when it is killed: its processes leave, its Redis and what that holds stay', async () => {
    const { pid } = stack.info;
    await vi.waitFor(() => expect(pidsOf(pid)).toContain('dashboard'), 20_000);
    const children = childrenOf(pid);
    const [redis] = pidsWith(dataDir, 'redis-server');
    const lost = new Promise((resolve) => stack.onLost(resolve));
    process.kill(pid, 'SIGKILL');
    await lost;
    await vi.waitFor(() => expect(children.filter((child) => child !== redis && isAlive(child))).toEqual([]), 20_000);
    expect((await stack.ensure()).pid).not.toBe(pid);
    expect(pidsWith(dataDir, 'redis-server')).toEqual([redis]);
  });

  it('leaves nothing running when it is stopped', async () => {
    const { pid } = await stack.ensure();
    const children = childrenOf(pid);
    await (await findStack(dataDir))?.stop();
    await vi.waitFor(() => expect([pid, ...children].filter(isAlive)).toEqual([]), 20_000);
    expect(await openRedisProbe(paths.redisSocket)).toBe('absent');
  });

  it('gives its worker a key that a client brings while that starts', async () => {
    // It was stopped above: it starts without any key, and so with the demo.
    const starting = stack.ensure();
    await vi.waitFor(
      () => {
        const supervisor = listProcesses().find(
          ({ args }) => /redis-server/.test(args) && args.includes(dataDir),
        )?.parent;
        expect(pidsOf(supervisor ?? 0)).toContain('worker');
      },
      { timeout: 20_000, interval: 5 },
    );
    const [client] = await Promise.all([connect({ OPENAI_API_KEY: plantedKey }), starting]);
    expect(client.info).toMatchObject({ demo: false, configured: ['openai'] });
    const redis = connectFront(client.info.redisUrl, logger);
    onTestFinished(() => redis.disconnect());
    const ofWorker = async () => (await listWorkers(redis)).flatMap(({ providers }) => providers);
    await vi.waitFor(
      async () => expect(await ofWorker()).toContainEqual({ id: 'openai', configured: true, demo: false }),
      10_000,
    );
  });

  it('stays for a batch that a vendor has, and leaves by itself once nobody needs it', async () => {
    const { pid, databaseUrl } = await stack.ensure();
    const database = await createDatabase({ url: databaseUrl, logger });
    await database.batches.create({ id: 'bat_far', client: 'tests', spec }, []);
    // Nobody looks at it before the end of time: it is there until it is removed.
    await database.batchSubmissions.create({ ...farAway, id: 'sub_far', batchId: 'bat_far' });
    await Promise.all(connections.map((connection) => connection.close()));
    const leaves = (timeout: number) => vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout, interval: 100 });
    await expect(leaves(5_000)).rejects.toThrow('expected true to be false');
    await database.batches.remove('bat_far');
    await database.close();
    await leaves(30_000);
    expect(await findStack(dataDir)).toBeUndefined();
    expect(await openRedisProbe(paths.redisSocket)).toBe('absent');
  });
});

function childrenOf(pid: number): number[] {
  return listProcesses().flatMap((child) => (child.parent === pid ? [child.pid] : []));
}

/** The last word of each child's command: which service it is. */
function pidsOf(pid: number): string[] {
  return listProcesses().flatMap(({ parent, args }) => (parent === pid ? [args.split(' ').at(-1) ?? ''] : []));
}

function pidsWith(...words: string[]): number[] {
  return listProcesses().flatMap(({ pid, args }) => (words.every((word) => args.includes(word)) ? [pid] : []));
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}
