import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { operator } from '../support/asker.ts';
import { startHttpFront } from '../support/deployment.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { connectHttp } from '../support/mcp-client.ts';
import { echo } from '../support/upstream.ts';

const blocked = { NODE_OPTIONS: `--import ${new URL('../support/blocker.ts', import.meta.url).href}` };
const isLong = process.env['FAULT_ROUNDS'] !== undefined;

test('a worker whose event loop stands still past its lock loses nothing, and what its call cost is known', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    if (call.number === 1) await tools.held;
    return echo(call, tools);
  });
  const [front, standing] = await Promise.all([stack.openFront(), stack.startWorker(blocked)]);
  const asked = await stack.generate(front, 'its worker stands still');
  await upstream.arrived(1);
  const goesOn = join(stack.dir, 'goes-on');
  standing.child.send({ type: 'block', until: goesOn });
  await stack.startWorker();
  expect(await asked.result).toMatchObject({ calls: 2, text: `echo: ${asked.prompt}` });
  upstream.release();
  await expect.poll(() => upstream.calls[0]?.answeredAt).toBeDefined();
  await writeFile(goesOn, '');
  const { ledger } = await stack.database();
  const readStates = async () => (await ledger.findByRequest(asked.requestId)).map(({ status }) => status);
  await expect.poll(readStates, { timeout: 20_000 }).toEqual(['succeeded', 'succeeded']);
  await stack.answer(front, 'and goes on');
  await expectInvariants(stack, { repeatedCalls: 1 });
});

test('a front that is stopped for a while under load answers everybody once it goes on', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '5' } });
  const { upstream } = stack;
  const stopped = Promise.withResolvers<void>();
  upstream.behave(async (call, tools) => {
    await stopped.promise;
    return echo(call, tools);
  });
  await stack.startWorker();
  const { process: front, url } = await startHttpFront({ ...stack.env, HTTP_PORT: '0' });
  onTestFinished(async () => void (await front.end('SIGKILL')));
  const { client } = await connectHttp(url, '2026-07-28');
  onTestFinished(() => client.close());
  const model = 'mistral/mistral-small-latest';
  const asked = Array.from({ length: 30 }, (_, index) => {
    const prompt = stack.createPrompt(`job ${index}`);
    return client.callTool({ name: 'generate', arguments: { prompt, model } }, { timeout: 60_000 }).then((answer) => {
      const { job_id: requestId, text } = answer.structuredContent as { job_id: string; text: string }; // as its schema says
      return { requestId, prompt, text };
    });
  });
  await upstream.arrived(5);
  // One that is still to be queued is refused after two seconds, however they went by.
  const redis = stack.redis.client();
  const countJobs = async () =>
    (await redis.keys('{aimm}:mistral:gen_*')).filter((key) => key.split(':').length === 3).length;
  await expect.poll(countJobs).toBe(30);
  front.signal('SIGSTOP');
  stopped.resolve();
  // How long it is stopped, not a wait for something.
  await delay(isLong ? 10_000 : 3_000);
  front.signal('SIGCONT');
  const answers = await Promise.all(asked);
  expect(answers.map(({ text }) => text)).toEqual(answers.map(({ prompt }) => `echo: ${prompt}`));
  expect(upstream.calls.length).toBe(30);
  for (const { requestId, prompt } of answers)
    stack.remember({ requestId, prompt, model: 'mistral-small-latest', heard: '', events: [] });
  await expectInvariants(stack, { reader: operator });
}, 90_000);

test('a worker that idles through an outage of Redis takes up work as soon as Redis is back', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  await stack.answer(front, 'before');
  await stack.redis.kill();
  // How long it is away, not a wait for something.
  await delay(isLong ? 20_000 : 4_000);
  await stack.redis.start();
  const backAt = Date.now();
  const answerNow = async () => (await stack.answer(front, 'after').catch(() => undefined))?.text;
  await expect.poll(answerNow, { timeout: 10_000, interval: 50 }).toBeDefined();
  expect(Date.now() - backAt).toBeLessThan(5_000);
  await expectInvariants(stack);
}, 90_000);
