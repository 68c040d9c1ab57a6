import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ClientMessage,
  createMessageSocket,
  type MessageSocket,
  type StackInfo,
  type StackMessage,
  toStackPaths,
} from '@aimm/local-stack';
import type { Manager } from '@aimm/manager';
import { createLogger, loadEnvironment } from '@aimm/runtime';
import { expect, it, onTestFinished, vi } from 'vitest';
import { connectManager } from '../src/connect-manager.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const shipped = fileURLToPath(new URL('../../../config', import.meta.url));

type Channel = MessageSocket<StackMessage>;

/** A stack in a folder of its own that only answers whoever says hello. */
async function startLittleStack(onHello: (channel: Channel, environment: Record<string, string>) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'aimm-front-'));
  const { controlSocket, runDir } = toStackPaths(folder);
  mkdirSync(runDir, { recursive: true });
  const server = createServer((socket) => {
    const channel = createMessageSocket<ClientMessage, StackMessage>(socket, ClientMessage, (message) => {
      if (message.type === 'hello') onHello(channel, message.environment);
    });
  });
  await new Promise<void>((resolve) => server.listen(controlSocket, resolve));
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder };
}

/** Answers nothing; `asked` once somebody has connected. */
async function startLittleRedis(socket: string) {
  const asked = Promise.withResolvers<void>();
  const server = createServer((client) => {
    client.on('error', () => undefined);
    asked.resolve();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  return { url: `unix:${socket}`, asked: asked.promise };
}

/** One stack after another in a folder, the last one for good; `next` ends the one that runs and has its follower joined. */
async function followStacks(stacks: readonly Partial<StackInfo>[], environment: Record<string, string> = {}) {
  const channels: Channel[] = [];
  const { folder } = await startLittleStack((channel) => {
    channels.push(channel);
    channel.send({ type: 'welcome', info: { ...toInfo(folder), ...stacks[channels.length - 1] } });
  });
  const { env, raw } = loadEnvironment({ AIMM_DATA_DIR: folder, ...environment });
  const secrets = new Set<string>();
  const connection = await connectManager({ env, raw, logger, secrets });
  onTestFinished(() => connection.close());
  const next = async () => {
    const ended = channels.length;
    channels.at(-1)?.send({ type: 'stopping' });
    channels.at(-1)?.end();
    return vi.waitFor(async () => {
      const manager = await connection.manager();
      expect(channels).toHaveLength(ended + 1);
      return manager;
    });
  };
  return { folder, connection, next, secrets };
}

const toInfo = (folder: string): StackInfo => ({
  pid: process.pid,
  version: '0.1.0',
  dataDir: folder,
  redisUrl: `unix:${toStackPaths(folder).redisSocket}`,
  databaseUrl: `file:${toStackPaths(folder).databaseFile}`,
  demo: false,
  configured: [],
  startedAt: Date.now(),
  foreground: false,
  workers: 1,
  clients: 1,
  problems: [],
  settings: {},
});

it('hands the stack a key whose variable config/providers.json names', async () => {
  const handed = Promise.withResolvers<Record<string, string>>();
  const { folder } = await startLittleStack((channel, environment) => {
    handed.resolve(environment);
    channel.send({ type: 'failed', problem: 'no more than a hello is wanted' });
    channel.end();
  });
  const configDir = join(folder, 'config');
  cpSync(shipped, configDir, { recursive: true });
  const file = join(configDir, 'providers.json');
  const { providers } = JSON.parse(readFileSync(file, 'utf8')) as { providers: object[] };
  const huggingface = { id: 'hf', kind: 'openai-compatible', name: 'HF', apiKeyVariables: ['HF_TOKEN'] };
  const added = { ...huggingface, baseUrl: 'http://127.0.0.1:1/v1', keyRequired: true };
  writeFileSync(file, JSON.stringify({ providers: [...providers, added] }));

  const given = { AIMM_DATA_DIR: folder, AIMM_CONFIG_DIR: configDir, HF_TOKEN: 'hf-1', OTHER_TOKEN: 'x' };
  const { env, raw } = loadEnvironment(given);
  await expect(connectManager({ env, raw, logger, secrets: new Set() })).rejects.toThrow('no more than a hello');
  expect(await handed.promise).toEqual({ HF_TOKEN: 'hf-1' });
});

it('goes by the budgets of the stack that runs, and of the next one, whatever its own environment says', async () => {
  // A budget that cannot be read shows whose is read.
  const fault = (words: string) => expect.objectContaining({ path: 'BUDGET_USD_PER_DAY', expected: words });
  const error = vi.spyOn(logger, 'error');
  onTestFinished(() => error.mockRestore());
  const stacks = [{}, { settings: { BUDGET_USD_PER_DAY: 'much' } }];
  const { connection, next } = await followStacks(stacks, { BUDGET_USD_PER_DAY: 'of its own' });
  await connection.manager();
  expect(error).not.toHaveBeenCalled();

  await next();
  expect(error.mock.calls).toEqual([
    [{ faults: [fault('an amount in US dollars, more than 0 and at most 1000000')] }, expect.anything()],
  ]);
});

it('keeps what is said, or nothing, as the stack that runs does', async () => {
  const { connection, next } = await followStacks([{}, { storesContent: false }, {}]);
  const start = (manager: Manager) => manager.startBatch({ client: 'local', admin: true }, { items: [], models: [] });

  await expect(start(await connection.manager())).rejects.toThrow('at least one model');
  await expect(start(await next())).rejects.toThrow('STORE_CONTENT is off');
  await expect(start(await next())).rejects.toThrow('at least one model');
});

it('works on the database and the Redis of the stack that runs, not on those of the one before', async () => {
  const other = mkdtempSync(join(tmpdir(), 'aimm-other-'));
  onTestFinished(() => rmSync(other, { recursive: true, force: true }));
  const databaseFile = join(other, 'moved.db');
  const moved = { databaseUrl: `file:${databaseFile}` };
  const redis = await startLittleRedis(join(other, 'redis.sock'));
  const { connection, next } = await followStacks([{}, moved, { ...moved, redisUrl: redis.url }]);
  const first = await connection.manager();
  await first.warmUp();

  const onOtherDatabase = await next();
  await onOtherDatabase.warmUp();
  expect(existsSync(databaseFile)).toBe(true);
  const list = () => first.listConversations({ client: 'local', admin: true });
  await vi.waitFor(() => expect(list()).rejects.toThrow('was closed by this process'), { timeout: 5_000 });

  expect(await next()).toBe(await connection.manager());
  await redis.asked;
});

it('knows for its log what the stack told it in confidence', async () => {
  const { secrets } = await followStacks([{ redisUrl: 'redis://:told-in-confidence@127.0.0.1:1' }]);
  expect([...secrets]).toEqual(['told-in-confidence']);
});
