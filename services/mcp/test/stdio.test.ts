import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createMcpServer } from '../src/server.ts';
import { startStdio } from '../src/transports/stdio.ts';
import { serverOptions } from './support/connect.ts';

/** The transport between two pipes, and what it answers. */
async function start() {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const options = await serverOptions(() => Promise.reject(new Error('unreached')));
  const transport = startStdio(createMcpServer(options), options.logger, { stdin, stdout });
  onTestFinished(() => transport.close());
  const reader = createInterface({ input: stdout });
  const lines: string[] = [];
  reader.on('line', (line) => lines.push(line));
  const say = (message: unknown) => void stdin.write(`${JSON.stringify(message)}\n`);
  const hear = async () => {
    while (lines.length === 0) await once(reader, 'line');
    return JSON.parse(String(lines.shift()));
  };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  say({ jsonrpc: '2.0', id: 'hello', method: 'initialize', params });
  expect(await hear()).toMatchObject({ id: 'hello' });
  return { stdin, stdout, reader, say, hear };
}

it.each([
  [
    'a progress token that is null',
    { jsonrpc: '2.0', id: 7, method: 'ping', params: { _meta: { progressToken: null } } },
  ],
  ['parameters in a list', { jsonrpc: '2.0', id: 7, method: 'ping', params: [1] }],
  ['a method that is no text', { jsonrpc: '2.0', id: 7, method: 5 }],
  ['another version of JSON-RPC', { jsonrpc: '1.0', id: 7, method: 'ping' }],
  ['a batch', [{ jsonrpc: '2.0', id: 7, method: 'ping' }]],
])('a request with %s is refused, and its sender does not wait for ever', async (_name, message) => {
  const { say, hear } = await start();
  say(message);
  expect(await hear()).toMatchObject({ id: 7, error: { code: -32_600 } });
  say({ jsonrpc: '2.0', id: 8, method: 'ping' });
  expect(await hear()).toMatchObject({ id: 8, result: {} });
});

it('what is no request is left out without a word', async () => {
  const { stdin, say, hear } = await start();
  stdin.write('{"jsonrpc"\n');
  for (const message of [5, null, [], {}, { id: 7, result: 'mine' }, { id: {}, method: 'ping' }]) say(message);
  say({ jsonrpc: '2.0', id: 8, method: 'ping' });
  expect(await hear()).toMatchObject({ id: 8 });
});

it('answers that a client has not read yet make no noise on stderr', async () => {
  const { stdout, reader, say, hear } = await start();
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  onTestFinished(() => void process.removeListener('warning', listen));
  const ids = Array.from({ length: 60 }, (_, index) => index);
  reader.pause();
  for (const id of ids) say({ jsonrpc: '2.0', id, method: 'tools/list' });
  await vi.waitFor(() => expect(stdout.writableLength).toBeGreaterThan(500_000));
  reader.resume();
  for (const id of ids) expect(await hear()).toHaveProperty('id', id);
  expect(warnings).toEqual([]);
});
