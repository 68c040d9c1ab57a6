import { expect, onTestFinished, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import type { FrontMessage } from '../support/front-process.ts';
import { expectInvariants } from '../support/invariants.ts';
import { requireRecovery } from '../support/measured.ts';
import { startProcess } from '../support/processes.ts';

/** A front that asks and streams in a process of its own. */
async function startAskingFront(stack: FaultStack, name: string) {
  const prompt = stack.createPrompt(name);
  const front = startProcess('tests/support/front-process.ts', stack.env, ['mistral/mistral-small-latest', prompt]);
  onTestFinished(async () => void (await front.end('SIGKILL')));
  const heard: string[] = [];
  const requestId = await new Promise<string>((resolve, reject) => {
    front.child.on('message', (message: FrontMessage) => {
      if (message.type === 'accepted') resolve(message.requestId);
      else heard.push(message.text);
    });
    void front.exited.then((code) => reject(new Error(`the front left with code ${code}:\n${front.log()}`)));
  });
  stack.remember({ requestId, prompt, model: 'mistral-small-latest', heard: '', events: [] });
  return { front, requestId, prompt, text: () => heard.join('') };
}

test('what a killed front was being told is there for the next: text so far, then the result', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave(async (call, { write, finish, held }) => {
    write('the beginning of ');
    await held;
    write(call.prompt);
    finish();
  });
  await stack.startWorker();
  const asking = await startAskingFront(stack, 'its front is killed');
  await expect.poll(() => asking.text(), { timeout: 10_000 }).toBe('the beginning of ');
  await asking.front.end('SIGKILL');

  const next = await stack.openFront();
  const soFar = { status: 'running', partialText: 'the beginning of ' };
  await expect.poll(() => next.getJob(caller, asking.requestId), { timeout: 5_000 }).toMatchObject(soFar);
  const waiting = next.getJob(caller, asking.requestId, { waitMs: 10_000 });
  upstream.release();
  expect(await waiting).toMatchObject({
    status: 'succeeded',
    generation: { text: `the beginning of ${asking.prompt}`, calls: 1 },
  });
  await expectInvariants(stack);
  expect(upstream.calls).toHaveLength(1);
});

test('a front killed while its request waits leaves it to be run and read', async () => {
  const stack = await createFaultStack();
  const asking = await startAskingFront(stack, 'nobody works yet');
  await asking.front.end('SIGKILL');
  await stack.startWorker();
  const answered = { status: 'succeeded', generation: { text: `echo: ${asking.prompt}` } };
  const next = await stack.openFront();
  expect(await next.getJob(caller, asking.requestId, { waitMs: 20_000 })).toMatchObject(answered);

  const openedAt = performance.now();
  const another = await stack.openFront();
  expect(await another.getJob(caller, asking.requestId)).toMatchObject(answered);
  const readMs = performance.now() - openedAt;
  requireRecovery('front killed: a new front read the result by its id', readMs, 1_000);
  await expectInvariants(stack);
});

test("a job is nobody's business but its client's", async () => {
  const stack = await createFaultStack();
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.generate(front, 'private');
  await asked.result;
  const stranger = { client: 'stranger', admin: false };
  const refused = { code: 'invalid_request', message: expect.not.stringContaining('echo') };
  await expect(front.getJob(stranger, asked.requestId)).rejects.toMatchObject(refused);
  await expect(front.cancelJob(stranger, asked.requestId)).rejects.toMatchObject(refused);
  await expectInvariants(stack);
});
