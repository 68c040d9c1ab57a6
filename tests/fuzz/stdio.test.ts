import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { fuzz, inputs, timeFor } from './support/fuzz.ts';
import { heapOptions, readHeapMib } from './support/heap.ts';
import { findAwaited, requireJsonRpc } from './support/json-rpc.ts';
import { modernMeta, rawMessage, tasksMeta, taskQuestion } from './support/messages.ts';
import { type RawStdio, startRawStdio } from './support/raw-stdio.ts';
import { createWatch, isAlive, type Watch } from './support/watch.ts';

let watch: Watch;
let deployment: Deployment;
let current: RawStdio | undefined;
beforeAll(async () => {
  watch = createWatch();
  deployment = await startDeployment({ environment: { ...watch.environment, ...heapOptions, LOG_LEVEL: 'info' } });
}, 60_000);
afterAll(async () => {
  await current?.end();
  await deployment?.end();
});

/** The front, or a new one where it has ended. */
async function openFront(): Promise<RawStdio> {
  if (current === undefined || !isAlive(current.pid)) current = await startRawStdio(deployment.environment);
  return current;
}

function requireFit(front: RawStdio): void {
  for (const line of front.takeLines()) {
    requireJsonRpc(line);
    watch.requireClean(line.replaceAll(String.raw`\n`, '\n'));
  }
  watch.requireSound(front);
}

const group = fc.array(rawMessage, { minLength: 1, maxLength: 3 });

test('whatever stands in a line, requests are answered, those after it too', { timeout: timeFor(0.2) }, async () => {
  const before = await readHeapMib(await openFront());
  await fuzz(0.2, group, async (messages) => {
    const front = await openFront();
    for (const message of messages) await front.write(Buffer.concat([message, Buffer.from('\n')]));
    expect(await front.ask('tools/list')).toMatchObject({ result: { tools: expect.any(Array) } });
    for (const id of messages.flatMap(findAwaited)) await front.answered(id);
    requireFit(front);
  });
  const after = await readHeapMib(await openFront());
  expect(after - before).toBeLessThan(20 + inputs * 0.003);
});

test('whatever comes before the handshake, the handshake is answered', { timeout: timeFor(0.003) }, async () => {
  await fuzz(0.003, group, async (messages) => {
    const front = await startRawStdio(deployment.environment, { greet: false });
    try {
      for (const message of messages) await front.write(Buffer.concat([message, Buffer.from('\n')]));
      // Either version may have been settled by what came before; both answer.
      const answer = await front.ask('tools/list', { _meta: modernMeta });
      expect(answer).toHaveProperty(['jsonrpc'], '2.0');
      requireFit(front);
    } finally {
      expect(await front.end()).toBe(0);
    }
  });
});

test('whatever a task is called, it is known or it is not', { timeout: timeFor(0.02) }, async () => {
  const front = await startRawStdio(deployment.environment, { greet: false });
  await front.ask('server/discover', { _meta: tasksMeta });
  await fuzz(0.02, taskQuestion, async ({ method, params }) => {
    const answer = await front.ask(method, { ...params, _meta: tasksMeta });
    expect(answer).toMatchObject({ error: { code: -32_602 } });
    requireFit(front);
  });
  expect(await front.end()).toBe(0);
});

test.each([
  ['half a message', '{"jsonrpc":"2.0","id":1,"meth'],
  ['half a character', Buffer.from([0xe2, 0x82])],
  ['a message without the end of its line', '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'],
  ['nothing', ''],
])('a client that leaves after %s ends the front, and nothing else', async (_name, last) => {
  const front = await startRawStdio(deployment.environment);
  await front.write(last);
  expect(await front.end()).toBe(0);
  front.takeLines().forEach(requireJsonRpc);
});

test('a line that never seems to end costs its sender the line, and the front no memory', async () => {
  const front = await startRawStdio(deployment.environment);
  const before = await readHeapMib(front);
  const piece = Buffer.alloc(1024 * 1024, 'x');
  for (let sent = 0; sent < 150; sent += 1) await front.write(piece);
  await front.write('\n');
  expect(await front.ask('ping')).toMatchObject({ result: {} });
  requireFit(front);
  expect((await readHeapMib(front)) - before).toBeLessThan(10);
  expect(await front.end()).toBe(0);
});

test('a client that asks and does not read gets all its answers once it does', async () => {
  const front = await startRawStdio(deployment.environment);
  front.stopReading();
  const ids = Array.from({ length: 300 }, (_, index) => index);
  for (const id of ids) await front.write(`${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list' })}\n`);
  front.goOnReading();
  for (const id of ids) expect(await front.answered(id)).toHaveProperty('result');
  requireFit(front);
  expect(await front.end()).toBe(0);
});
