import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import type { FrontMessage } from '../support/front-process.ts';
import { expectInvariants } from '../support/invariants.ts';
import { startProcess } from '../support/processes.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { echo } from '../support/upstream.ts';

vi.setConfig({ testTimeout: 120_000 });

const model = 'mistral/mistral-small-latest';

/** A turn that a front asks for which is killed before the answer comes; the answer comes with `stack.upstream.release()`. */
async function askAndDie(stack: FaultStack, name: string, conversationId: string) {
  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  const prompt = stack.createPrompt(name);
  const front = startProcess('tests/support/front-process.ts', stack.env, [
    model,
    prompt,
    JSON.stringify({ conversationId }),
  ]);
  onTestFinished(async () => void (await front.end('SIGKILL')));
  const before = stack.upstream.calls.length;
  const requestId = await new Promise<string>((resolve, reject) => {
    front.child.on('message', (message: FrontMessage) => message.type === 'accepted' && resolve(message.requestId));
    void front.exited.then((code) => reject(new Error(`the front left with code ${code}:\n${front.log()}`)));
  });
  stack.remember({ requestId, prompt, model: 'mistral-small-latest', heard: '', events: [] });
  await stack.upstream.arrived(before + 1);
  await front.end('SIGKILL');
  return { requestId, prompt };
}

async function begin(stack: FaultStack, front: Awaited<ReturnType<FaultStack['openFront']>>) {
  const first = await stack.generate(front, 'first', { saveConversation: true });
  const { conversationId = '' } = await first.result;
  return { conversationId, first };
}

async function textsOf(stack: FaultStack, id: string): Promise<string[]> {
  const { conversations } = await stack.database();
  const messages = await conversations.messages(id);
  return messages.map(({ message }) => message.content.map((part) => (part.type === 'text' ? part.text : '')).join(''));
}

function lockSqlite({ databaseUrl }: FaultStack): { release(): void } {
  const lock = new Sqlite(databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN IMMEDIATE');
  return { release: () => void lock.exec('ROLLBACK') };
}

const turnsOf = (...prompts: string[]) => prompts.flatMap((prompt) => [prompt, `echo: ${prompt}`]);

test('a turn whose front is killed is in the conversation all the same, and the next one follows it', async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { conversationId, first } = await begin(stack, front);
  const killed = await askAndDie(stack, 'its front is killed', conversationId);
  await expect(stack.generate(front, 'too early', { conversationId })).rejects.toMatchObject({
    code: 'invalid_request',
    hint: expect.stringContaining(killed.requestId),
  });
  stack.upstream.release();
  await expect.poll(() => textsOf(stack, conversationId), { timeout: 10_000 }).toHaveLength(4);
  stack.upstream.behave(echo);
  const next = await stack.generate(front, 'next', { conversationId });
  await next.result;
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, killed.prompt, next.prompt));
  await expectInvariants(stack);
});

test('a turn whose worker is killed between the outcome and the turn is added by the next worker, once', async () => {
  const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: '2' } });
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { conversationId, first } = await begin(stack, front);
  const killed = await askAndDie(stack, 'its worker is killed', conversationId);
  const lock = lockSqlite(stack);
  stack.upstream.release();
  await expect
    .poll(async () => (await front.getJob(caller, killed.requestId)).status, { timeout: 10_000 })
    .toBe('succeeded');
  await worker.end('SIGKILL');
  lock.release();
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt));
  await stack.startWorker();
  await expect.poll(() => textsOf(stack, conversationId), { timeout: 20_000 }).toHaveLength(4);
  await expectInvariants(stack);
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, killed.prompt));
  expect(stack.upstream.calls).toHaveLength(2);
});

test('a turn that no worker is left to add is added for whoever goes on with the conversation', async () => {
  const stack = await createFaultStack();
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { conversationId, first } = await begin(stack, front);
  const killed = await askAndDie(stack, 'nobody is left', conversationId);
  const lock = lockSqlite(stack);
  stack.upstream.release();
  await expect
    .poll(async () => (await front.getJob(caller, killed.requestId)).status, { timeout: 10_000 })
    .toBe('succeeded');
  await worker.end('SIGKILL');
  lock.release();
  stack.upstream.behave(echo);
  const next = await stack.generate(front, 'next', { conversationId });
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, killed.prompt));
  await stack.startWorker();
  await next.result;
  await expectInvariants(stack);
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, killed.prompt, next.prompt));
});

test('with the database away an answer comes within seconds, and its turn once the database is back, once', async () => {
  const stack = await createFaultStack();
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { conversationId, first } = await begin(stack, front);
  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  const asked = await stack.generate(front, 'the file is locked', { conversationId });
  await stack.upstream.arrived(2);
  const lock = lockSqlite(stack);
  stack.upstream.release();
  const answeredAt = performance.now();
  const answer = await asked.result;
  expect(performance.now() - answeredAt).toBeLessThan(4_000);
  expect(answer.warnings.at(-1)?.message).toContain('once the database takes it');
  await expect.poll(() => worker.log(), { timeout: 15_000 }).toContain('takes no turn of a conversation');
  lock.release();
  await expectInvariants(stack);
  await expect.poll(() => textsOf(stack, conversationId), { timeout: 40_000 }).toHaveLength(4);
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, asked.prompt));
  const redis = stack.redis.client();
  const left = async () => [await redis.keys('{aimm}:persist-turn:turn_*'), await textsOf(stack, conversationId)];
  await expect.poll(left, { timeout: 40_000 }).toEqual([[], turnsOf(first.prompt, asked.prompt)]);
});

test('with PostgreSQL gone and the front killed a turn waits in the queue, and is added once it is back', async () => {
  const direct = await createEmptyDatabase('postgresql');
  const proxied = new URL(direct);
  const proxy = await createTcpProxy(Number(proxied.port));
  onTestFinished(() => proxy.close());
  proxied.port = String(proxy.port);
  const stack = await createFaultStack({ databaseUrl: direct, env: { DATABASE_URL: proxied.href } });
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const { conversationId, first } = await begin(stack, front);
  const killed = await askAndDie(stack, 'everything is gone', conversationId);
  await proxy.cut();
  stack.upstream.release();
  await expect.poll(() => worker.log(), { timeout: 15_000 }).toContain('takes no turn of a conversation');
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt));
  await proxy.restore();
  await expect.poll(() => textsOf(stack, conversationId), { timeout: 40_000 }).toHaveLength(4);
  await expectInvariants(stack);
  expect(await textsOf(stack, conversationId)).toEqual(turnsOf(first.prompt, killed.prompt));
});
