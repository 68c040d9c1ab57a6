import { type AddressInfo, connect, createServer } from 'node:net';
import { once } from 'node:events';
import { request } from 'node:http';
import { ConfigError } from '@aimm/runtime';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMcpServer, type McpServerOptions } from '../src/server.ts';
import { createGate } from '@aimm/manager';
import { startHttp } from '../src/transports/http.ts';
import { createFakeManager, createReadyManager } from './support/fake-manager.ts';
import { answer } from './support/fixtures.ts';
import { callTool, createClient, type Era, eras, serverOptions } from './support/connect.ts';

const token = 'a-token-of-some-length';

async function start(
  manager: McpServerOptions['manager'],
  {
    AIMM_AUTH_TOKEN: authToken,
    requireToken = false,
    ...settings
  }: { HTTP_HOST?: string; HTTP_PORT?: number; AIMM_AUTH_TOKEN?: string; requireToken?: boolean } = {},
) {
  const options = await serverOptions(manager, { maxPromptBytes: 10_000_000 });
  const transport = await startHttp(
    createMcpServer(options),
    { HTTP_HOST: '127.0.0.1', HTTP_PORT: 0, ...settings },
    createGate({ authToken, requireToken, identify: async (given) => (await manager()).identify(given) }),
    options.logger,
  );
  onTestFinished(() => transport.close(0));
  return transport;
}

async function connectHttp(url: string, era: Era, headers: Record<string, string> = {}) {
  const client = createClient(era);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  onTestFinished(() => client.close());
  return client;
}

/** Any header may be set, which fetch does not allow. */
async function post(url: string, headers: Record<string, string>, body: string) {
  const sent = request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  });
  sent.on('error', () => undefined);
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: Number(response.statusCode), headers: response.headers, text };
}

const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

describe.each(eras)('over HTTP in version %s', (era) => {
  it('an answer that is larger than what a connection holds arrives whole', async () => {
    const manager = createFakeManager();
    const { url } = await start(async () => manager);
    const client = await connectHttp(url, era);
    const call = callTool(client, 'generate', { prompt: 'a long story' });
    const text = 'word '.repeat(200_000);
    (await manager.nextGeneration()).succeed({ ...answer, text });
    expect(((await call).structured as { text: string }).text.length).toBe(text.length);
  }, 10_000);

  it('tools are listed and called, with progress on the way', async () => {
    const manager = createFakeManager();
    const { url } = await start(async () => manager);
    const client = await connectHttp(url, era);
    expect((await client.listTools()).tools).toHaveLength(16);
    const messages: (string | undefined)[] = [];
    const call = callTool(
      client,
      'generate',
      { prompt: 'Hi' },
      { onprogress: ({ message }) => messages.push(message) },
    );
    const { emit, succeed } = await manager.nextGeneration();
    emit({ type: 'started', provider: 'openai', model: 'gpt-5-mini' });
    emit({ type: 'text', text: 'Paris.', totalLength: 6 });
    succeed(answer);
    expect((await call).structured).toMatchObject({ text: 'Paris.' });
    expect(messages).toEqual(['openai/gpt-5-mini started', 'Paris.']);
  });

  it('cancelling a call cancels its request', async () => {
    const manager = createFakeManager();
    const { url } = await start(async () => manager);
    const client = await connectHttp(url, era);
    const controller = new AbortController();
    const call = callTool(client, 'generate', { prompt: 'Hi' }, { signal: controller.signal });
    const { options, fail } = await manager.nextGeneration();
    const aborted = once(options?.signal ?? new EventTarget(), 'abort');
    controller.abort();
    await expect(call).rejects.toBeDefined();
    await aborted;
    fail(new Error('cancelled'));
  });

  it('one client cannot cancel the call of another, whatever ids they count', async () => {
    const manager = createFakeManager();
    const { url } = await start(async () => manager);
    const [one, other] = [await connectHttp(url, era), await connectHttp(url, era)];
    const first = callTool(one, 'generate', { prompt: 'one' });
    const asked = await manager.nextGeneration();
    const controller = new AbortController();
    const second = callTool(other, 'generate', { prompt: 'other' }, { signal: controller.signal });
    const askedToo = await manager.nextGeneration();
    controller.abort();
    await expect(second).rejects.toBeDefined();
    await once(askedToo.options?.signal ?? new EventTarget(), 'abort');
    askedToo.fail(new Error('cancelled'));
    expect(asked.options?.signal?.aborted).toBe(false);
    asked.succeed(answer);
    expect((await first).isError).toBe(false);
  });

  it('a prompt with images of many megabytes gets through', async () => {
    const { url } = await start(async () => createReadyManager());
    const client = await connectHttp(url, era);
    const images = [{ data: 'A'.repeat(20 * 1024 * 1024), media_type: 'image/png' }];
    expect((await callTool(client, 'generate', { prompt: 'What is it?', images })).isError).toBe(false);
  });

  it('with a token set, the token is needed', async () => {
    const { url } = await start(async () => createReadyManager(), { AIMM_AUTH_TOKEN: token });
    await expect(connectHttp(url, era)).rejects.toThrow(/401|authoriz|AIMM_AUTH_TOKEN/i);
    await expect(connectHttp(url, era, { authorization: 'Bearer another-token-than-it' })).rejects.toThrow(
      /401|authoriz|AIMM_AUTH_TOKEN/i,
    );
    const client = await connectHttp(url, era, { authorization: `Bearer ${token}` });
    expect((await callTool(client, 'generate', { prompt: 'Hi' })).isError).toBe(false);
  });

  it('closing lets a running call answer', async () => {
    const manager = createFakeManager();
    const transport = await start(async () => manager);
    const client = await connectHttp(transport.url, era);
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    const { succeed, options } = await manager.nextGeneration();
    const closed = transport.close(60_000);
    succeed(answer);
    expect((await call).structured).toMatchObject({ status: 'succeeded' });
    await closed;
    expect(options?.signal?.aborted).toBe(false);
  });

  it('a call that outlasts the grace period is cut off, its request goes on', async () => {
    const manager = createFakeManager();
    const transport = await start(async () => manager);
    const client = await connectHttp(transport.url, era);
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    const cutOff = call.catch((error: unknown) => ({ error }));
    const { options, succeed } = await manager.nextGeneration();
    await transport.close(10);
    expect(await cutOff).toHaveProperty('error');
    expect(options?.signal?.aborted).toBe(false);
    succeed(answer);
  });
});

describe('what HTTP refuses', () => {
  it.each([
    ['a Host that is not ours', { host: 'attacker.example' }, 403],
    ['a page of another origin', { origin: 'https://attacker.example' }, 403],
    ['no JSON at all', { 'content-type': 'text/plain' }, 415],
  ])('%s', async (_name, headers, status) => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const response = await post(url, headers, ping);
    expect(response.status).toBe(status);
    expect(JSON.parse(response.text)).toMatchObject({ jsonrpc: '2.0', error: {} });
  });

  it('but not a page of this machine', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    expect((await post(url, { origin: 'http://localhost:6274' }, ping)).status).toBe(200);
  });

  it('a body that is no JSON, in JSON-RPC', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const { status, text } = await post(url, {}, '{"jsonrpc"');
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ error: { code: -32_700 } });
  });

  it.each(['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])('%s, with the methods there are', async (method) => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const sent = request(url, { method }).end();
    const [response] = await once(sent, 'response');
    response.resume();
    expect([response.statusCode, response.headers.allow]).toEqual([405, 'GET, POST, DELETE']);
  });

  it.each([
    ['lists', '['.repeat(10_000) + ']'.repeat(10_000)],
    [
      'arguments',
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_001)}`,
    ],
  ])('%s nested so deeply that nobody can read them', async (_name, body) => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const { status, text } = await post(url, {}, body);
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatchObject({ code: -32_600, message: expect.stringContaining('levels') });
  });

  it('to say what it runs on', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    expect((await post(url, {}, ping)).headers).not.toHaveProperty('x-powered-by');
  });

  it('to wait long for the head of a request', { timeout: 20_000 }, async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const startedAt = Date.now();
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('POST /mcp HTTP/1.1\r\nX: '));
    let said = '';
    socket.on('data', (piece) => (said += String(piece)));
    await once(socket, 'close');
    expect(said).toContain('408');
    expect(Date.now() - startedAt).toBeLessThan(15_000);
  });

  it('a message above the limit, which it names', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')));
    const { status, text } = await post(url, {}, JSON.stringify({ id: 'x'.repeat(33 * 1024 * 1024) }));
    expect(status).toBe(413);
    expect(JSON.parse(text).error.message).toContain('32 MB');
  });

  it('a missing token with a challenge, before it reads the body', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')), { AIMM_AUTH_TOKEN: token });
    const { status, headers } = await post(url, {}, '{"broken');
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toContain('Bearer');
  });

  it('a foreign page even where it is bound to every address', async () => {
    const { url } = await start(() => Promise.reject(new Error('unreached')), {
      HTTP_HOST: '0.0.0.0',
      AIMM_AUTH_TOKEN: token,
    });
    const headers = { authorization: `Bearer ${token}`, host: 'models.example' };
    expect((await post(url, headers, ping)).status).toBe(200);
    expect((await post(url, { ...headers, origin: 'https://attacker.example' }, ping)).status).toBe(403);
  });
});

describe('what keeps HTTP from starting', () => {
  it.each(['0.0.0.0', '::', '192.168.1.4', 'models.example'])('%s without a token', async (HTTP_HOST) => {
    const starting = start(() => Promise.reject(new Error('unreached')), { HTTP_HOST });
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(/AIMM_AUTH_TOKEN.*HTTP_HOST/);
  });

  it('a port in use, named by its variable', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const starting = start(() => Promise.reject(new Error('unreached')), { HTTP_PORT: port });
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(
      `HTTP_PORT: expected a free port: another process listens on 127.0.0.1:${port}`,
    );
  });
});

it('/healthz answers without a token and without the manager', async () => {
  const { url } = await start(() => Promise.reject(new Error('unreached')), { AIMM_AUTH_TOKEN: token });
  const response = await fetch(new URL('/healthz', url));
  expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
});
