import { expect, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

const [good, bad, slow] = ['mistral/mistral-small-latest', 'mistral/mistral-bad', 'mistral/mistral-slow'] as const;

test('with one model failing and one hanging the others stand', async () => {
  const stack = await createFaultStack({ provider: { attempts: 2 } });
  stack.upstream.behave((call, tools) => {
    if (call.model === 'mistral-bad') return tools.fail(400, { message: 'no' });
    return call.model === 'mistral-slow' ? tools.held : echo(call, tools);
  });
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  // A worker's first call takes longer than the limit below may allow: it loads the vendor's SDK.
  await stack.answer(front, 'first');
  const models = [slow, good, bad, 'openai/gpt-5-mini'];
  const asked = await stack.compare(front, 'two of four fail', models, { timeoutMs: 1_500 });
  const { entries, summary } = await asked.result;

  expect(entries.map(({ provider, model }) => `${provider}/${model}`)).toEqual(models);
  expect(entries).toMatchObject([
    { error: { code: 'timeout' } },
    { result: { text: `echo: ${asked.prompt}` } },
    { error: { code: 'invalid_request' } },
    { error: { code: 'authentication' } },
  ]);
  expect(summary).toMatchObject({ succeeded: 1, failed: 3, fastest: good });
  const finished = asked.events.flatMap((event) => (event.type === 'model_finished' ? [event.model] : []));
  expect(finished).toHaveLength(4);
  expect(finished.at(-1)).toBe('mistral-slow');
  await expectInvariants(stack);
  expect(stack.upstream.calls.filter(({ model }) => model === 'mistral-slow')).toHaveLength(2);
});

test('a comparison whose worker is killed in the middle is joined by another', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave((call, tools) => {
    const earlier = upstream.calls.filter(({ model }) => model === call.model);
    return call.model === 'mistral-slow' && earlier.length === 1 ? tools.held : echo(call, tools);
  });
  const [front, first] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await stack.compare(front, 'killed in the middle', [good, slow]);
  await upstream.arrived(2);
  await first.end('SIGKILL');
  await stack.startWorker();
  const { entries } = await asked.result;
  expect(entries).toMatchObject([{ result: { text: `echo: ${asked.prompt}` } }, { result: { calls: 2 } }]);
  await expectInvariants(stack);
});

test('cancelling a comparison aborts what runs, takes back what waits and keeps what is done', async () => {
  const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '2' } });
  const { upstream } = stack;
  upstream.behave((call, tools) => (call.model === 'mistral-small-latest' ? echo(call, tools) : tools.held));
  const [front] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const models = [good, 'mistral/held-1', 'mistral/held-2', 'mistral/never-1', 'mistral/never-2'];
  const asked = await stack.compare(front, 'cancelled', models);
  await upstream.arrived(3);
  const cancelledAt = Date.now();
  const view = await front.cancelJob(caller, asked.requestId);
  await upstream.aborted(2);
  const aborts = upstream.calls.flatMap(({ abortedAt }) => abortedAt ?? []);
  expect(Math.max(...aborts) - cancelledAt).toBeLessThan(2_000);

  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(view.status).toBe('cancelled');
  await expectInvariants(stack);
  const { children = [] } = await front.getJob(caller, asked.requestId);
  expect(children.map(({ status }) => status)).toEqual(['succeeded', ...Array.from({ length: 4 }, () => 'cancelled')]);
  expect(upstream.calls).toHaveLength(3);
});

test('a comparison that is cancelled before any of it ran makes no call', async () => {
  const stack = await createFaultStack();
  const front = await stack.openFront();
  const asked = await stack.compare(front, 'nobody works yet', [good, slow]);
  expect(await front.cancelJob(caller, asked.requestId)).toMatchObject({ status: 'cancelled' });
  await expect(asked.result).rejects.toMatchObject({ code: 'cancelled' });
  await stack.startWorker();
  await stack.answer(front, 'afterwards');
  await expectInvariants(stack);
  expect(stack.upstream.calls).toHaveLength(1);
});
