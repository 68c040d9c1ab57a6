import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { type McpClient, mixedFaces } from '../support/mcp-client.ts';
import { plantedKeys, recite, vendorModels, vendors } from '../support/vendors.ts';

const secrets: Record<string, string> = {
  ...plantedKeys,
  AIMM_AUTH_TOKEN: 'planted-bearer-token-8Hq',
  AIMM_MASTER_KEY: 'planted-master-key-for-the-vault',
};

const accessToken = 'an access token';
const secretNames = [...Object.keys(secrets), accessToken];
const faces = [...mixedFaces, { transport: 'HTTP', era: '2025-11-25' } as const];

let deployment: Deployment;
let clients: McpClient[];

/** Walks through everything that answers: answers, progress, errors of every kind, resources. */
async function walkThrough(mcp: McpClient): Promise<void> {
  const { vendors: stage } = deployment;
  const onProgress = () => undefined;
  const models = Object.values(vendorModels);
  stage.say(recite);
  for (const model of models) await mcp.call('generate', { model, prompt: 'Hi' }, { onProgress });
  await mcp.call('compare_models', { models, prompt: 'Hi', judge: vendorModels.openai }, { onProgress });
  // Vendors repeat keys in their own words.
  const told = Object.values(secrets).join(', ');
  for (const [status, type] of [
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
  ] as const) {
    stage.say(() => ({ error: { message: `Incorrect API key provided: ${told}`, type }, status }));
    for (const model of models) await mcp.call('generate', { model, prompt: 'Hi' }, { onProgress });
  }
  const failed = await mcp.call('compare_models', { models, prompt: 'Hi' }, { onProgress });
  await mcp.call('get_job', { job_id: failed.structured.job_id });
  await mcp.call('cancel_job', { job_id: failed.structured.job_id });
  await mcp.call('check_health', { deep: true });
  await mcp.call('list_models', { refresh: true });
  for (const vendor of vendors) await mcp.call('get_model_info', { model: vendorModels[vendor] });
  await mcp.call('get_usage_stats', { group_by: 'client' });
  await mcp.call('generate', { model: 'no-such-model', prompt: 'Hi', api_key: 1 });
  await mcp.call('generate', { model: 'no-such-model', prompt: 'Hi' });
  for (const uri of ['stats://usage', 'config://providers']) await mcp.client.readResource({ uri });
  await expect(mcp.client.readResource({ uri: 'config://keys' })).rejects.toThrow('config://keys');
  await expect(mcp.client.callTool({ name: 'show_keys', arguments: {} })).rejects.toThrow('show_keys');
}

beforeAll(async () => {
  deployment = await startDeployment({ environment: { ...secrets, LOG_LEVEL: 'trace' } });
  const database = await createDatabase({ url: deployment.environment['DATABASE_URL'] ?? '' });
  const { token } = await database.accessTokens.create({ name: 'planted', scopes: ['admin'] });
  await database.close();
  // From here on the vendors tell it to whoever reads their errors, too.
  secrets[accessToken] = token;
  clients = [];
  for (const [index, face] of faces.entries()) {
    const mcp = await deployment.connect(face, index < mixedFaces.length ? undefined : token);
    clients.push(mcp);
    await walkThrough(mcp);
  }
  // What it logs when it leaves counts too.
  await deployment.worker?.end();
}, 120_000);
afterAll(() => deployment?.end());

describe.each(secretNames)('the value of %s', (name) => {
  const secretOf = () => secrets[name] ?? 'not there';

  test.each(faces.map((face, index) => ({ ...face, index })))(
    'is in no message to a client over $transport in $era, nor in what its front wrote',
    ({ index, transport }) => {
      const secret = secretOf();
      const mcp = clients[index];
      expect(mcp?.received.length).toBeGreaterThan(60);
      expect(mcp?.received.filter((message) => message.includes(secret))).toEqual([]);
      const log = transport === 'stdio' ? mcp?.log() : deployment.httpLog();
      expect(log).not.toBe('');
      expect(log).not.toContain(secret);
    },
  );

  test('is not in what the worker wrote', () => {
    const secret = secretOf();
    expect(deployment.worker?.log()).toContain('A call failed');
    // Vendors' own words went through it.
    expect(deployment.worker?.log()).toContain('[secret]');
    expect(deployment.worker?.log()).not.toContain(secret);
  });

  test('is not on disk: neither in Redis nor in the database', async () => {
    const secret = secretOf();
    const entries = await readdir(deployment.dir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    expect(files.some((file) => file.endsWith('.aof'))).toBe(true);
    expect(files.some((file) => file.endsWith('aimm.db'))).toBe(true);
    for (const file of files) expect((await readFile(file)).includes(secret)).toBe(false);
  });
});
