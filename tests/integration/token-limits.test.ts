import { estimateTokens, loadCatalog } from '@aimm/catalog';
import type { ErrorShape } from '@aimm/contracts';
import type { Caller } from '@aimm/manager';
import { expect, test } from 'vitest';
import { operator, toMessages } from '../support/asker.ts';
import { startCrowd } from '../support/crowd.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-medium-3-5';
const small = 'mistral/mistral-small-2603';
const settings = { maxOutputTokens: 1_000 };
const textOf = (index: number) => `a text of ${String(index).padStart(2, '0')}`;

/** What each request here holds, in nano-dollars. */
function estimate(): number {
  const { catalog } = loadCatalog({ env: {} });
  const usage = { inputTokens: estimateTokens({ messages: toMessages(textOf(0)) }, 'mistral'), outputTokens: 1_000 };
  return (
    catalog.priceCall({ provider: 'mistral', model: 'mistral-medium-3-5', usage, at: Date.now() }).costNanoUsd ?? 0
  );
}

const dayBudget = (requests: number) => ({
  period: 'day' as const,
  limitNanoUsd: estimate() * requests,
  timeZone: 'UTC',
});
const tokenOf = (client: string, more: Partial<Caller>): Caller => ({
  client,
  admin: false,
  scopes: ['generate', 'read'],
  ...more,
});
const ask = (index: number, more: object = {}) => ({ model, settings, messages: toMessages(textOf(index)), ...more });

test('a hundred requests at once from two processes let exactly the ten through that the budget of their token has room for', async () => {
  const stack = await createFaultStack();
  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  await stack.startWorker();
  const crowds = await Promise.all([startCrowd(stack.env), startCrowd(stack.env)]);
  const budgets = [dayBudget(10)];
  const runs = crowds.map((crowd, half) =>
    crowd.ask({
      token: { scopes: ['generate'], budgets },
      asks: Array.from({ length: 50 }, (_, index) => ({
        client: 'ci',
        text: textOf(half * 50 + index),
        model,
        settings,
      })),
    }),
  );
  const asked = (await Promise.all(runs.map((run) => run.asked))).flat();
  const refused = asked.flatMap((one): ErrorShape[] => ('error' in one ? [one.error] : []));
  expect(asked.length - refused.length).toBe(10);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['budget_exceeded']));
  const midnight = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000).toISOString();
  expect(refused[0]?.message).toMatch(
    /^The budget of the access token "ci" \(\$0\.\d+ a day\) has no room for this: \$0\.00 is spent/,
  );
  expect(refused[0]?.message).toContain(`It renews at ${midnight}.`);

  const front = await stack.openFront();
  const ci = tokenOf('ci', { budgets });
  const read = async (caller: Caller) => (await front.health(caller, { provider: 'mistral' })).budgets;
  expect(await read(ci)).toMatchObject([{ name: 'access token ci', spentNanoUsd: 0, heldNanoUsd: estimate() * 10 }]);
  await stack.upstream.arrived(10);
  stack.upstream.release();
  const ended = (await Promise.all(runs.map((run) => run.ended))).flat();
  expect(ended.filter((one) => 'result' in one)).toHaveLength(10);
  expect(stack.upstream.calls).toHaveLength(10);
  const [left] = (await read(ci)) ?? [];
  expect(left).toMatchObject({ heldNanoUsd: 0 });
  expect(left?.spentNanoUsd).toBeGreaterThan(0);

  // Whoever has a token of its own has a budget of its own, and sees no other.
  expect(await read(tokenOf('other', { budgets: [dayBudget(1)] }))).toMatchObject([
    { name: 'access token other', spentNanoUsd: 0 },
  ]);
  expect(await read(tokenOf('poor', {}))).toEqual([]);
  stack.upstream.behave(echo);
  await (
    await front.generate(tokenOf('other', { budgets: [dayBudget(1)] }), ask(1))
  ).result;
  // A new token of the same name goes on where the old one was.
  const smaller = tokenOf('ci', { budgets: [{ ...dayBudget(1), limitNanoUsd: left?.spentNanoUsd ?? 0 }] });
  await expect(front.generate(smaller, ask(2))).rejects.toMatchObject({ code: 'budget_exceeded' });
});

test('a budget of the configuration called like a token’s is another one, and both hold', async () => {
  const stack = await createFaultStack({
    change: (file) =>
      Object.assign(file, { budgets: [{ name: 'ci', client: 'ci', limitUsd: estimate() * 2e-9, period: 'day' }] }),
  });
  await stack.startWorker();
  stack.upstream.behave((_call, { held }) => held);
  const front = await stack.openFront();
  const ci = (requests: number) => tokenOf('ci', { budgets: [dayBudget(requests)] });
  await front.generate(ci(1), ask(1));
  await expect(front.generate(ci(1), ask(2))).rejects.toMatchObject({
    code: 'budget_exceeded',
    message: expect.stringContaining('The budget of the access token "ci"'),
    hint: expect.stringContaining('aimm tokens create'),
  });
  await front.generate(ci(10), ask(3));
  await expect(front.generate(ci(10), ask(4))).rejects.toMatchObject({
    message: expect.stringContaining('The budget "ci" of ci'),
  });
  // All or nothing: what was refused by one holds nothing of the other.
  const held = (await front.health(operator, { provider: 'mistral' })).budgets?.map(({ heldNanoUsd }) => heldNanoUsd);
  expect(held).toEqual([estimate() * 2]);
});

test('a comparison with its judge is reserved in the budget of the token as one', async () => {
  const stack = await createFaultStack();
  await stack.startWorker();
  const front = await stack.openFront();
  const ci = tokenOf('ci', { budgets: [dayBudget(2)] });
  const question = { settings, messages: toMessages(textOf(1)) };
  await expect(front.compare(ci, { ...question, models: [model, small], judge: model })).rejects.toMatchObject({
    code: 'budget_exceeded',
  });
  const { result } = await front.compare(ci, { ...question, models: [model, small] });
  const { summary } = await result;
  const [budget] = (await front.health(ci, { provider: 'mistral' })).budgets ?? [];
  expect(budget).toMatchObject({ spentNanoUsd: summary.totalCostNanoUsd, heldNanoUsd: 0 });
});

test('calls at once are limited by the token, for its client alone, in every worker', async () => {
  const stack = await createFaultStack();
  const released = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  stack.upstream.behave(async (call, tools) => {
    if (!call.prompt.startsWith('limited')) return echo(call, tools);
    running += 1;
    most = Math.max(most, running);
    // Until somebody else, whom nothing limits, was answered beside it.
    await released.promise;
    running -= 1;
    return echo(call, tools);
  });
  await Promise.all([stack.startWorker(), stack.startWorker()]);
  const front = await stack.openFront();
  const limited = tokenOf('limited', { limits: { concurrency: 2 } });
  const asked = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      front.generate(limited, { model, settings: {}, messages: toMessages(`limited ${index}`) }),
    ),
  );
  await stack.upstream.arrived(2);
  for (let index = 0; index < 6; index += 1)
    await (
      await front.generate(tokenOf('free', {}), { model, settings: {}, messages: toMessages(`free ${index}`) })
    ).result;
  expect(most).toBe(2);
  released.resolve();
  await Promise.all(asked.map(({ result }) => result));
  expect(most).toBe(2);
  expect(stack.upstream.calls).toHaveLength(12);
}, 60_000);

test('requests a minute of a token stand in place of those that the configuration gives every client', async () => {
  const stack = await createFaultStack({
    change: (file) => Object.assign(file, { clients: { '*': { requestsPerMinute: 1 } } }),
  });
  await stack.startWorker();
  const front = await stack.openFront();
  const fast = tokenOf('fast', { limits: { requestsPerMinute: 600_000 } });
  for (let index = 0; index < 5; index += 1) await (await front.generate(fast, ask(index))).result;
  // Who has no token's limit waits for its turn.
  const slow = tokenOf('slow', {});
  await (
    await front.generate(slow, ask(11))
  ).result;
  const second = await front.generate(slow, ask(12));
  await expect
    .poll(async () => (await front.getJob(slow, second.requestId)).wait?.waitingFor, { timeout: 15_000 })
    .toBe('rate_limit');
  await front.cancelJob(slow, second.requestId);
});
