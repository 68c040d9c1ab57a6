import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { loadCatalog } from '@aimm/catalog';
import type { JobContext } from '@aimm/queue';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCheckHealth } from '../src/handlers/check-health.ts';
import { createProviderSet, type ProviderSet } from '../src/provider-set.ts';

const { catalog } = loadCatalog({ env: {} });
let asked: (string | undefined)[] = [];
const server = createServer((request, response) => {
  const key = request.headers.authorization?.replace('Bearer ', '');
  asked.push(key);
  response.writeHead(key === 'sk-bad' ? 401 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ object: 'list', data: [{ id: 'gpt-6.1-terra', object: 'model' }] }));
});
let providers: ProviderSet;
let clock = 0;

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  asked = [];
  providers = createProviderSet({
    catalog,
    served: ['openai'],
    environment: { OPENAI_API_KEY: 'sk-bad', OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1` },
  });
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const createAsk = () => {
  clock = Date.now();
  const handler = createCheckHealth(providers, () => clock);
  const probe = { provider: 'openai', deep: false, requestId: 'probe_1', askedAt: 0, deadlineAt: 0 };
  // The handler needs the signal of its context and nothing else.
  const context = { signal: new AbortController().signal } as JobContext;
  return async () => (await handler(probe, context)).value;
};
const store = () =>
  providers.setStored([{ id: 'k', provider: 'openai', label: 'good', fingerprint: '…good', secret: 'sk-good' }]);

it('a provider is asked once in five seconds, however many want to know', async () => {
  const ask = createAsk();
  const first = await ask();
  expect(await ask()).toEqual(first);
  expect(asked).toEqual(['sk-bad']);
  clock += 10_000;
  await ask();
  expect(asked).toEqual(['sk-bad', 'sk-bad']);
});

it('a provider is well when one of its keys is, and is asked anew when a key came', async () => {
  const ask = createAsk();
  expect(await ask()).toMatchObject({ reachable: true, keyValid: false });
  store();
  const health = await ask();
  expect(health).toMatchObject({ reachable: true, keyValid: true, defaultModel: { available: true } });
  expect(health.problem).toBeUndefined();
  expect(health.keys?.map(({ label, state }) => `${label} ${state}`)).toEqual(['OPENAI_API_KEY in_use', 'good in_use']);
  expect(new Set(asked)).toEqual(new Set(['sk-bad', 'sk-good']));
});
