import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClientMessage, createMessageSocket, type StackMessage, toStackPaths } from '@aimm/local-stack';
import { createLogger, loadEnvironment } from '@aimm/runtime';
import { expect, it, onTestFinished } from 'vitest';
import { connectManager } from '../src/connect-manager.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const shipped = fileURLToPath(new URL('../../../config', import.meta.url));

it('hands the stack a key whose variable config/providers.json names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aimm-front-'));
  const configDir = join(folder, 'config');
  cpSync(shipped, configDir, { recursive: true });
  const file = join(configDir, 'providers.json');
  const { providers } = JSON.parse(readFileSync(file, 'utf8')) as { providers: object[] };
  const huggingface = { id: 'hf', kind: 'openai-compatible', name: 'HF', apiKeyVariables: ['HF_TOKEN'] };
  const added = { ...huggingface, baseUrl: 'http://127.0.0.1:1/v1', keyRequired: true };
  writeFileSync(file, JSON.stringify({ providers: [...providers, added] }));

  const { controlSocket, runDir } = toStackPaths(folder);
  mkdirSync(runDir, { recursive: true });
  const handed = Promise.withResolvers<Record<string, string>>();
  const server = createServer((socket) => {
    const channel = createMessageSocket<ClientMessage, StackMessage>(socket, ClientMessage, (message) => {
      if (message.type === 'hello') handed.resolve(message.environment);
      channel.send({ type: 'failed', problem: 'no more than a hello is wanted' });
      channel.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(controlSocket, resolve));
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const given = { AIMM_DATA_DIR: folder, AIMM_CONFIG_DIR: configDir, HF_TOKEN: 'hf-1', OTHER_TOKEN: 'x' };
  const { env, raw } = loadEnvironment(given);
  await expect(connectManager({ env, raw, logger })).rejects.toThrow('no more than a hello');
  expect(await handed.promise).toEqual({ HF_TOKEN: 'hf-1' });
});
