import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds } from '../src/index.ts';
import { createTestProvider, plantedKey } from './support/providers.ts';
import { sendEvents, sendJson, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const counts = { input: 1, output: 1, cacheRead: 0, reasoning: 0 };
const cheap = () => ({ signal: new AbortController().signal, deep: false });

/** Kinds whose listing shows that the key is good. */
const provesKey = (kind: ProviderKind) => kind !== 'ollama' && kind !== 'openai-compatible';

describe.each(kinds)('%s', (kind) => {
  const wire = wires[kind];
  let vendor: VendorServer;
  beforeAll(async () => {
    vendor = await startVendorServer();
  });
  afterAll(() => vendor.close());

  test('is healthy when it lists its models, the default one among them', async () => {
    vendor.answer = sendJson(200, wire.listing);
    const health = await createTestProvider(kind, vendor.url, { defaultModel: 'm-2' }).checkHealth(cheap());
    expect(health).toMatchObject({
      provider: kind,
      kind,
      configured: true,
      reachable: true,
      modelCount: 2,
      defaultModel: { id: 'm-2', available: true },
    });
    expect(health.problem).toBeUndefined();
    expect(health.keyValid).toBe(provesKey(kind) ? true : undefined);
  });

  test('says that the default model is missing', async () => {
    vendor.answer = (response, request) =>
      /m-9|show/.test(request.path)
        ? sendJson(404, wire.error(404, 'not_found', 'none'))(response, request)
        : sendJson(200, wire.listing)(response, request);
    const health = await createTestProvider(kind, vendor.url, { defaultModel: 'm-9' }).checkHealth(cheap());
    expect(health).toMatchObject({
      reachable: true,
      defaultModel: { id: 'm-9', available: false },
      problem: expect.stringContaining('m-9'),
      hint: expect.any(String),
    });
  });

  test('says that the key is bad', async () => {
    vendor.answer = sendJson(401, wire.error(401, 'authentication_error', `bad key ${plantedKey}`));
    const health = await createTestProvider(kind, vendor.url).checkHealth(cheap());
    expect(health).toMatchObject({ reachable: true, keyValid: false, hint: expect.stringContaining('TEST_API_KEY') });
    expect(JSON.stringify(health)).not.toContain(plantedKey);
  });

  test('a refusal for its rate shows that line and key are good', async () => {
    vendor.answer = sendJson(429, wire.error(429, 'rate_limit_error', 'slow'));
    const health = await createTestProvider(kind, vendor.url).checkHealth(cheap());
    expect(health).toMatchObject({ reachable: true, keyValid: true, problem: expect.any(String) });
  });

  test('a web page in place of the listing points to the base URL', async () => {
    vendor.answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
    const health = await createTestProvider(kind, vendor.url).checkHealth(cheap());
    expect(health).toMatchObject({ reachable: true, hint: expect.stringContaining('base URL') });
    expect(health.modelCount).toBeUndefined();
  });

  test('nobody listens', async () => {
    const gone = await startVendorServer();
    await gone.close();
    const health = await createTestProvider(kind, gone.url).checkHealth(cheap());
    expect(health).toMatchObject({
      reachable: false,
      problem: expect.stringContaining(new URL(gone.url).host),
      hint: expect.stringContaining(kind === 'ollama' ? 'ollama serve' : 'base URL'),
    });
  });

  test('without a key nothing is tried', async () => {
    vendor.received.length = 0;
    const health = await createTestProvider(kind, vendor.url, { apiKey: '', keyRequired: true }).checkHealth(cheap());
    expect(health).toMatchObject({ configured: false, problem: expect.stringContaining('no API key') });
    expect(health.reachable).toBeUndefined();
    expect(vendor.received).toHaveLength(0);
  });

  test('deep has the default model say a few words', async () => {
    vendor.answer = (response, request) =>
      /completions|responses|messages|generateContent|chat/i.test(request.path)
        ? sendEvents(wire.contentType, wire.text(['Hello'], counts))(response, request)
        : sendJson(200, wire.listing)(response, request);
    const provider = createTestProvider(kind, vendor.url, { defaultModel: 'm-1' });
    expect(await provider.checkHealth({ ...cheap(), deep: true })).toMatchObject({ reachable: true, keyValid: true });
    expect(JSON.stringify(vendor.received.at(-1)?.body)).toMatch(/(max_|maxO|num_p)\w+":16\b/);
  });

  test('never throws, not even when it is cancelled', async () => {
    const health = await createTestProvider(kind, vendor.url).checkHealth({ signal: AbortSignal.abort(), deep: true });
    expect(health.problem).toContain('cancelled');
  });
});
