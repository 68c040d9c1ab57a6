import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

const toInfo = (folder: string, settings: Record<string, string>): StackInfo => ({
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
  settings,
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
  await expect(connectManager({ env, raw, logger })).rejects.toThrow('no more than a hello');
  expect(await handed.promise).toEqual({ HF_TOKEN: 'hf-1' });
});

it('goes by the budgets of the stack that runs, and of the next one, whatever its own environment says', async () => {
  // A budget that cannot be read shows whose is read.
  const fault = (words: string) => expect.objectContaining({ path: 'BUDGET_USD_PER_DAY', expected: words });
  const settings: Record<string, string>[] = [{}, { BUDGET_USD_PER_DAY: 'much' }];
  const channels: Channel[] = [];
  const { folder } = await startLittleStack((channel) => {
    channels.push(channel);
    channel.send({ type: 'welcome', info: toInfo(folder, settings[channels.length - 1] ?? {}) });
  });
  const error = vi.spyOn(logger, 'error');
  onTestFinished(() => error.mockRestore());
  const { env, raw } = loadEnvironment({ AIMM_DATA_DIR: folder, BUDGET_USD_PER_DAY: 'of its own' });
  const connection = await connectManager({ env, raw, logger });
  onTestFinished(() => connection.close());
  await connection.manager();
  expect(error).not.toHaveBeenCalled();

  channels[0]?.send({ type: 'stopping' });
  channels[0]?.end();
  await vi.waitFor(async () => {
    await connection.manager();
    expect(channels).toHaveLength(2);
  });
  expect(error.mock.calls).toEqual([
    [{ faults: [fault('an amount in US dollars, more than 0 and at most 1000000')] }, expect.anything()],
  ]);
});
