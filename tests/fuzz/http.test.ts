import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { fuzz, inputs, timeFor } from './support/fuzz.ts';
import { dashboardQuestions, frontQuestions } from './support/http-questions.ts';
import { heapOptions, readHeapMib } from './support/heap.ts';
import { httpInput } from './support/http-input.ts';
import { type HttpServer, openServer } from './support/http-server.ts';
import { sendRaw } from './support/raw-http.ts';
import { createWatch, type Watch, type Watched } from './support/watch.ts';

/** What may be said to a bad request, or to a good one. Nothing from 500 on but "no such method" and "no such version". */
const sensible = new Set([
  200, 202, 204, 206, 301, 303, 304, 400, 401, 403, 404, 405, 406, 408, 409, 411, 412, 413, 414, 415, 416, 417, 422,
  431, 501, 505,
]);

const servers = [
  { name: 'the HTTP front with a token', kind: 'front', guarded: true, share: 0.1 },
  { name: 'the HTTP front without a token', kind: 'front', guarded: false, share: 0.1 },
  { name: 'the dashboard with a token', kind: 'dashboard', guarded: true, share: 0.07 },
  { name: 'the dashboard without a token', kind: 'dashboard', guarded: false, share: 0.05 },
] as const;
const asked = { front: frontQuestions, dashboard: dashboardQuestions };

let watch: Watch;
let deployment: Deployment;
let opened: HttpServer[];
let worker: Watched;
let slowClients: Promise<unknown>;
beforeAll(async () => {
  watch = createWatch();
  deployment = await startDeployment({ environment: { ...watch.environment, ...heapOptions, LOG_LEVEL: 'info' } });
  worker = { name: 'the worker', pid: deployment.worker?.pid ?? 0, log: () => deployment.worker?.log() ?? '' };
  opened = servers.map((server) => openServer(deployment.environment, watch.token, server));
  const urls = await Promise.all(opened.map((server) => server.url()));
  slowClients = Promise.all(urls.flatMap((url) => Array.from({ length: 50 }, () => askSlowly(url))));
}, 60_000);
afterAll(async () => {
  await Promise.all((opened ?? []).map((server) => server.end()));
  await deployment?.end();
});

describe.each(servers.map((server, index) => ({ ...server, index })))('$name', ({ index, kind, share }) => {
  test('answers whatever it is sent, and others afterwards', { timeout: timeFor(share) }, async () => {
    const server = opened[index] as HttpServer; // one per entry
    const before = await readHeapMib(await server.process());
    await fuzz(share, httpInput({ host: '127.0.0.1', token: watch.token }, asked[kind]), async (input) => {
      const { status, text } = await sendRaw(await server.url(), input);
      if (status !== undefined && !sensible.has(status)) throw new Error(`status ${status}: ${text.slice(0, 800)}`);
      watch.requireClean(text.replaceAll(String.raw`\n`, '\n'));
      await server.requireGood();
      watch.requireSound(await server.process(), worker);
    });
    expect((await readHeapMib(await server.process())) - before).toBeLessThan(25 + inputs * 0.003);
  });
});

test('nobody waits for ever on those who never say what they want', { timeout: 30_000 }, async () => {
  await expect(slowClients).resolves.toHaveLength(4 * 50);
});

/** A client that says a letter a second and never ends its head; resolves when the server has had enough. */
function askSlowly(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(Number(port), hostname, () => socket.write('POST /mcp HTTP/1.1\r\nX: '));
  const timer = setInterval(() => socket.writable && socket.write('x'), 1_000);
  socket
    .on('error', () => undefined)
    .on('close', () => {
      clearInterval(timer);
      resolve();
    });
  socket.resume();
  return promise;
}
