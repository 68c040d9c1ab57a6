import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
      attempts: 1,
      defaultModel: 'a-model',
    });
  });
  const prices = { inputPerMillionUsd: 1, outputPerMillionUsd: 2 };
  addModels(configDir, [
    { provider: 'my-server', id: 'priced', prices, serviceTiers: { flex: 0.25 } },
    { provider: 'my-server', id: 'priced-otherwise', prices },
  ]);
  system = await startSystem({ AIMM_CONFIG_DIR: configDir, MY_SERVER_API_KEY: 'a-key-of-its-own-0123456789' });
});
afterAll(async () => {
  await system.close();
  await server.stop();
});

function addModels(configDir: string, entries: object[]): void {
  const path = join(configDir, 'models.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as { models: object[] };
  writeFileSync(path, JSON.stringify({ ...file, models: [...file.models, ...entries] }));
}

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

test('is billed by the service tier that answered, not by the one asked for', async () => {
  server.behave((call, { response }) => {
    const chunk = (choices: object[], more: object = {}) =>
      `data: ${JSON.stringify({ id: 'c-1', model: call.model, service_tier: 'flex', choices, ...more })}\n\n`;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk([{ index: 0, delta: { content: 'cheap' }, finish_reason: 'stop' }]));
    response.end(chunk([], { usage: { prompt_tokens: 1_000, completion_tokens: 100 } }));
  });
  const settings = { serviceTier: 'auto' };
  const generate = async (model: string) => {
    const { result } = await system.manager.generate(me, { ...ask(`tier ${model}`, settings), model });
    return result;
  };
  expect(await generate('my-server/priced')).toMatchObject({
    serviceTier: 'flex',
    // 1 and 2 dollars a million, a quarter of it.
    costNanoUsd: (1_000 * 1_000 + 100 * 2_000) / 4,
    warnings: [],
  });
  expect(await generate('my-server/priced-otherwise')).toMatchObject({
    costNanoUsd: null,
    warnings: [expect.objectContaining({ code: 'unknown_price', message: expect.stringContaining('"flex"') })],
  });
});

test('of a stream that breaks, tokens are estimated by a tokenizer, which a worker loads unasked', async () => {
  server.behave((_call, { write, response }) => {
    write('half');
    response.end();
  });
  // A token each, where a guess by bytes sees half of one.
  const prompt = 'a b c d e f g h '.repeat(50);
  let tries = 0;
  const breakOne = async () => {
    const tags = [`break-${(tries += 1)}`];
    const { result } = await system.manager.generate(me, { ...ask(prompt), model: 'my-server/priced', tags });
    await expect(result).rejects.toMatchObject({ code: 'network' });
    const read = () => system.manager.usage(me, { from: 0, to: Date.now() + 1_000, tag: tags[0] });
    await expect.poll(read).toMatchObject({ totals: { partial: 1 } });
    return (await read()).totals;
  };
  // 400 words and 4 for the message, a sixth more for an unknown vocabulary.
  await expect
    .poll(breakOne, { timeout: 20_000 })
    .toMatchObject({ inputTokens: 466, costNanoUsd: 466 * 1_000 + 2 * 2_000 });
});
