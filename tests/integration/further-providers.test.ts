import { afterAll, beforeAll, expect, test } from 'vitest';
import { createConfigDir } from '../support/config-dir.ts';
import { ask, me, startSystem, type System } from '../support/system.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

let server: Upstream;
let system: System;
beforeAll(async () => {
  server = await startUpstream();
  const configDir = createConfigDir((providers) => {
    providers.push({
      id: 'my-server',
      kind: 'openai-compatible',
      name: 'Mine',
      baseUrl: `${server.url}/v1`,
      keyRequired: true,
      concurrency: 2,
      defaultModel: 'a-model',
    });
  });
  system = await startSystem({ AIMM_CONFIG_DIR: configDir, MY_SERVER_API_KEY: 'a-key-of-its-own-0123456789' });
});
afterAll(async () => {
  await system.close();
  await server.stop();
});

test('an entry in config/providers.json makes a server of OpenAI’s wire a provider, with its own queue and key', async () => {
  const { result, requestId } = await system.manager.generate(me, { ...ask('hello'), model: 'my-server/org/a-model' });
  expect(await result).toMatchObject({
    provider: 'my-server',
    model: 'org/a-model',
    text: 'echo: hello',
    usage: { inputTokens: 10, outputTokens: 5 },
    costNanoUsd: null,
  });
  expect(server.calls).toEqual([
    expect.objectContaining({
      path: '/v1/chat/completions',
      model: 'org/a-model',
      authorization: 'Bearer a-key-of-its-own-0123456789',
    }),
  ]);
  expect(system.upstream.calls).toEqual([]);
  const redis = system.redis.client();
  expect(await redis.exists(`{aimm}:my-server:${requestId}`)).toBe(1);
  expect(await redis.hget('{aimm}:my-server:meta', 'concurrency')).toBe('2');
});

test('is listed among the providers, and counted in the usage under its own name', async () => {
  const views = await system.manager.listProviders();
  expect(views.find(({ id }) => id === 'my-server')).toMatchObject({ name: 'Mine', configured: true, concurrency: 2 });
  await expect
    .poll(() => system.manager.usage(me, { from: 0, to: Date.now() + 1_000, provider: 'my-server' }))
    .toMatchObject({ totals: { calls: 1, succeeded: 1, unpricedCalls: 1 } });
});

test('takes a schema in its prompt, as nothing is known of its model, and its answer is checked', async () => {
  server.behave((_call, { finish }) => finish({ text: '```json\n{"city":"Rome"}\n```' }));
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const settings = { responseFormat: { type: 'json_schema' as const, schema } };
  const { result } = await system.manager.generate(me, { ...ask('where', settings), model: 'my-server/a-model' });
  expect(await result).toMatchObject({ structured: { city: 'Rome' }, calls: 1 });
  const body = JSON.parse(server.bodies.at(-1) ?? '') as { messages: { role: string; content: string }[] };
  expect(body).not.toHaveProperty('response_format');
  expect(body.messages[0]).toMatchObject({ role: 'system', content: expect.stringContaining(JSON.stringify(schema)) });
});
