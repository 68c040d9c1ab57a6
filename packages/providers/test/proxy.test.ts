import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ProviderKind, providerKinds } from '../src/index.ts';
import { ask, createTestProvider, failureOf, patient } from './support/providers.ts';
import { sendEvents, startVendorServer, type VendorServer } from './support/vendor-server.ts';
import { wires } from './support/wires.ts';

const kinds = Object.keys(providerKinds) as ProviderKind[];
const password = 'planted-proxy-password';
const basic = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
const counts = { input: 10, output: 3, cacheRead: 0, reasoning: 0 };

/** A forward proxy on loopback which knows no vendor: it remembers what it is asked for and answers with `status`. */
const asked: string[] = [];
let status = 503;
const server = createServer((request, response) => {
  note(request);
  request.resume().on('end', () => response.writeHead(status).end('from the proxy'));
});
server.on('connect', (request: IncomingMessage, socket) => {
  note(request);
  socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
});
const note = ({ method = '', url = '', headers }: IncomingMessage) =>
  asked.push(`${method} ${url} ${headers['proxy-authorization'] ?? 'nobody'}`);
let address = '';
let vendor: VendorServer;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `ada:${password}@127.0.0.1:${(server.address() as AddressInfo).port}`;
  vendor = await startVendorServer();
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await vendor.close();
});
beforeEach(() => {
  asked.length = 0;
  status = 503;
});

const signal = new AbortController().signal;

describe.each(kinds)('%s behind a proxy', (kind) => {
  const open = (url: string, noProxy?: string) =>
    createTestProvider(kind, url, { proxy: { http: `http://${address}`, https: `http://${address}`, noProxy } });

  test('is reached through it, whatever is asked', async () => {
    const provider = open('http://vendor.invalid');
    expect(await failureOf(provider.generate(ask('hi'), patient()))).toMatchObject({ code: 'overloaded' });
    await failureOf(provider.listModels({ signal }));
    await provider.checkHealth({ signal, deep: false });
    const requests = [{ id: 'one', request: ask('hi') }];
    if (provider.batches !== undefined) {
      await failureOf(provider.batches.submit({ name: 'one', requests, signal }));
      await failureOf(provider.batches.find({ name: 'one', model: 'm-1', requests: 1, since: 0, signal }));
    }
    expect(asked.length).toBeGreaterThanOrEqual(provider.batches === undefined ? 3 : 5);
    for (const one of asked) expect(one).toMatch(/^(GET|POST) http:\/\/vendor\.invalid\//);
    for (const one of asked) expect(one.endsWith(basic)).toBe(true);
  });

  test('is asked over TLS through a tunnel of it', async () => {
    const error = await failureOf(open('https://vendor.invalid').generate(ask('hi'), patient()));
    expect(asked).toEqual([`CONNECT vendor.invalid:443 ${basic}`]);
    expect(error).toMatchObject({ code: 'network', retryable: true });
    expect(error.hint).toMatch(kind === 'ollama' ? /ollama/ : /HTTPS_PROXY/);
  });

  test.each(['http', 'https'])('that wants another password is told as that, over %s', async (protocol) => {
    status = 407;
    const error = await failureOf(open(`${protocol}://vendor.invalid`).generate(ask('hi'), patient()));
    expect(error).toMatchObject({ code: 'network', retryable: false, message: expect.stringContaining('proxy') });
    expect(error.hint).toContain('HTTPS_PROXY');
    expect(inspect(error, { depth: 9 })).not.toContain(password);
  });

  test('is asked directly on this machine, and where NO_PROXY names it', async () => {
    vendor.answer = sendEvents(wires[kind].contentType, wires[kind].text(['Hello'], counts));
    expect(await open(vendor.url).generate(ask('hi'), patient())).toMatchObject({ text: 'Hello' });
    await failureOf(open('http://api.vendor.invalid', '10.0.0.1,vendor.invalid').generate(ask('hi'), patient()));
    expect(asked).toEqual([]);
  });
});

test('what the environment says of proxies reaches no vendor by itself', async () => {
  process.env['HTTP_PROXY'] = `http://${address}`;
  try {
    const open = (proxy: object) => createTestProvider('openai', 'http://vendor.invalid', { proxy });
    await failureOf(open({}).generate(ask('hi'), patient()));
    await failureOf(open({ https: 'http://127.0.0.1:9' }).generate(ask('hi'), patient()));
  } finally {
    delete process.env['HTTP_PROXY'];
  }
  expect(asked).toEqual([]);
});
