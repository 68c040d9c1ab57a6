import { estimateTokens, loadCatalog } from '@aimm/catalog';
import type { ErrorShape } from '@aimm/contracts';
import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createConfigWith } from '../support/configured.ts';
import { startCrowd } from '../support/crowd.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { caller, operator, toMessages } from '../support/asker.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { runSql } from '../support/run-sql.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-medium-3-5';
const small = 'mistral/mistral-small-2603';
const settings = { maxOutputTokens: 1_000 };
const dayMs = 86_400_000;

/** What a request holds, in nano-dollars; every text here is as long as `a text of 00`. */
function estimate(text: string, of = model): number {
  const { catalog } = loadCatalog({ env: {} });
  const [provider = '', name = ''] = of.split('/');
  const usage = { inputTokens: estimateTokens({ messages: toMessages(text) }, provider), outputTokens: 1_000 };
  return catalog.priceCall({ provider, model: name, usage, at: Date.now() }).costNanoUsd ?? 0;
}

const textOf = (index: number) => `a text of ${String(index).padStart(2, '0')}`;
const cost = (inputTokens: number, outputTokens: number) => {
  const { catalog } = loadCatalog({ env: {} });
  const usage = { inputTokens, outputTokens };
  return (
    catalog.priceCall({ provider: 'mistral', model: 'mistral-medium-3-5', usage, at: Date.now() }).costNanoUsd ?? 0
  );
};

/** A stack with these budgets; the upstream holds every call until it is told to release. */
async function createBudgetStack(budgets: object[], env: Record<string, string> = {}) {
  const configDir = createConfigWith({ providers: { budgets } });
  const stack = await createFaultStack({ env: { AIMM_CONFIG_DIR: configDir, ...env } });
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });
  const openFront = async (now: () => number = Date.now) => {
    const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '' } = stack.env;
    const front = await createManager({ redisUrl, databaseUrl, configDir, raw: stack.env, logger, now });
    onTestFinished(() => front.close());
    return front;
  };
  const front = await openFront();
  const read = async (name = 'all') => {
    const found = (await front.health(operator, { provider: 'mistral' })).budgets?.find(
      (budget) => budget.name === name,
    );
    return { spent: found?.spentNanoUsd, held: found?.heldNanoUsd };
  };
  return { ...stack, front, openFront, read };
}

const budgetOf = (requests: number, more: object = {}) => ({
  name: 'all',
  limitUsd: (estimate(textOf(0)) * requests) / 1e9,
  period: 'day',
  ...more,
});
const ask = (text: string, more: object = {}) => ({ model, settings, messages: toMessages(text), ...more });

test('a hundred requests at once from two processes let exactly the ten through that the budget has room for', async () => {
  const stack = await createBudgetStack([budgetOf(10)]);
  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  await stack.startWorker();
  const crowds = await Promise.all([startCrowd(stack.env), startCrowd(stack.env)]);
  const runs = crowds.map((crowd, half) =>
    crowd.ask({
      asks: Array.from({ length: 50 }, (_, index) => ({
        client: `client-${half}`,
        text: textOf(half * 50 + index),
        model,
        settings,
      })),
    }),
  );
  const asked = (await Promise.all(runs.map((run) => run.asked))).flat();
  const refused = asked.flatMap((one): ErrorShape[] => ('error' in one ? [one.error] : []));
  expect(asked.length - refused.length).toBe(10);
  expect(new Set(refused.map(({ code, retryable }) => `${code} ${retryable}`))).toEqual(
    new Set(['budget_exceeded false']),
  );
  const midnight = new Date(Math.ceil(Date.now() / dayMs) * dayMs).toISOString();
  expect(refused[0]?.message).toMatch(
    /^The budget "all" \(\$0\.\d+ a day\) has no room for this: \$0\.00 is spent, \$0\.\d+ reserved/,
  );
  expect(refused[0]?.message).toContain(`It renews at ${midnight}.`);
  expect(await stack.read()).toEqual({ spent: 0, held: estimate(textOf(0)) * 10 });

  await stack.upstream.arrived(10);
  stack.upstream.release();
  const ended = (await Promise.all(runs.map((run) => run.ended))).flat();
  expect(ended.filter((one) => 'result' in one)).toHaveLength(10);
  expect(stack.upstream.calls).toHaveLength(10);
  // What was reserved and not used is there for others, as soon as the answers are.
  expect(await stack.read()).toEqual({ spent: cost(10, 5) * 10, held: 0 });
  stack.upstream.behave(echo);
  await (
    await stack.front.generate(caller, ask(textOf(99)))
  ).result;
  expect(await stack.read()).toEqual({ spent: cost(10, 5) * 11, held: 0 });
});

test('a request that failed, or was cancelled while it waited, has given everything back', async () => {
  const stack = await createBudgetStack([budgetOf(2)], { MISTRAL_CONCURRENCY: '1' });
  stack.upstream.behave((_call, { fail }) => fail(400, { message: 'no' }));
  await stack.startWorker();
  const failing = await stack.front.generate(caller, ask(textOf(1)));
  await expect(failing.result).rejects.toMatchObject({ code: 'invalid_request' });
  expect(await stack.read()).toEqual({ spent: 0, held: 0 });

  stack.upstream.behave(async (call, tools) => {
    await tools.held;
    await echo(call, tools);
  });
  const running = await stack.front.generate(caller, ask(textOf(2)));
  await stack.upstream.arrived(2);
  const waiting = await stack.front.generate(caller, ask(textOf(3)));
  await expect(stack.front.generate(caller, ask(textOf(4)))).rejects.toMatchObject({ code: 'budget_exceeded' });
  await stack.front.cancelJob(caller, waiting.requestId);
  await expect(waiting.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(await stack.read()).toEqual({ spent: 0, held: estimate(textOf(0)) });
  stack.upstream.release();
  await running.result;
  expect(await stack.read()).toEqual({ spent: cost(10, 5), held: 0 });
});

test('a running request that is cancelled counts as what it may have cost', async () => {
  const stack = await createBudgetStack([budgetOf(2)]);
  stack.upstream.behave((_call, { held }) => held);
  await stack.startWorker();
  const running = await stack.front.generate(caller, ask(textOf(1)));
  await stack.upstream.arrived(1);
  await stack.front.cancelJob(caller, running.requestId);
  await expect(running.result).rejects.toMatchObject({ code: 'cancelled' });
  expect(await stack.read()).toEqual({ spent: estimate(textOf(0)), held: 0 });
});

test('a request holds what the dearest of its fallbacks may cost, and pays for every hop', async () => {
  const stack = await createBudgetStack([budgetOf(1)]);
  stack.upstream.behave((call, tools) => {
    if (call.model === 'mistral-small-2603') tools.fail(401, { message: 'no' });
    else return echo(call, tools);
  });
  await stack.startWorker();
  const accepted = await stack.front.generate(caller, ask(textOf(1), { model: small, fallbacks: [model] }));
  expect((await accepted.result).fallbackFrom).toBe(small);
  expect(await stack.read()).toEqual({ spent: cost(10, 5), held: 0 });
});

test('a comparison and its judge are reserved as one', async () => {
  const stack = await createBudgetStack([budgetOf(2)]);
  await stack.startWorker();
  const question = { settings, messages: toMessages(textOf(1)) };
  await expect(
    stack.front.compare(caller, { ...question, models: [model, small], judge: model }),
  ).rejects.toMatchObject({
    code: 'budget_exceeded',
  });
  // How short the answers are to be is not said to the judge.
  const brief = { ...question, settings: { maxOutputTokens: 1 } };
  await expect(stack.front.compare(caller, { ...brief, models: [model, small], judge: model })).rejects.toMatchObject({
    code: 'budget_exceeded',
  });
  expect(await stack.read()).toEqual({ spent: 0, held: 0 });
  const { result } = await stack.front.compare(caller, { ...question, models: [model, small] });
  const comparison = await result;
  expect(await stack.read()).toEqual({ spent: comparison.summary.totalCostNanoUsd, held: 0 });
});

test('who takes over a call that was shared pays for it', async () => {
  const stack = await createBudgetStack([budgetOf(1)], { MISTRAL_CONCURRENCY: '1' });
  const shared = ask(textOf(1), { cache: true });
  // Nobody works yet.
  const leading = await stack.front.generate(caller, shared);
  const following = await stack.front.generate(caller, shared);
  await stack.front.cancelJob(caller, leading.requestId);
  await expect(leading.result).rejects.toMatchObject({ code: 'cancelled' });
  await stack.startWorker();
  expect(await following.result).toMatchObject({ cached: false, calls: 1 });
  expect(await stack.read()).toEqual({ spent: cost(10, 5), held: 0 });
});

test('budgets of a client and of a provider concern only those', async () => {
  const nothing = { limitUsd: 0.000000001, period: 'month' };
  const stack = await createBudgetStack([
    { name: 'guest', client: 'guest', ...nothing },
    { name: 'other-vendor', provider: 'openai', ...nothing },
  ]);
  await stack.startWorker();
  await (
    await stack.front.generate(caller, ask(textOf(1)))
  ).result;
  const guest = { client: 'guest', admin: false };
  await expect(stack.front.generate(guest, ask(textOf(2)))).rejects.toMatchObject({
    code: 'budget_exceeded',
    message: expect.stringContaining('The budget "guest" of guest'),
  });
});

test('a budget renews with its period', async () => {
  const stack = await createBudgetStack([budgetOf(1)]);
  await stack.startWorker();
  let offsetMs = 0;
  const front = await stack.openFront(() => Date.now() + offsetMs);
  stack.upstream.behave((_call, { held }) => held);
  await front.generate(caller, ask(textOf(1)));
  await expect(front.generate(caller, ask(textOf(2)))).rejects.toMatchObject({ code: 'budget_exceeded' });
  offsetMs = dayMs;
  await front.generate(caller, ask(textOf(3)));
});

test('after Redis lost everything, a budget knows from the ledger what was spent', async () => {
  const stack = await createBudgetStack([budgetOf(2)]);
  await stack.startWorker();
  // As much as one request of the two.
  stack.upstream.behave((call, { write, finish }) => {
    write(call.prompt);
    finish({ promptTokens: estimateTokens({ messages: toMessages(call.prompt) }, 'mistral'), completionTokens: 1_000 });
  });
  const { result } = await stack.front.generate(caller, ask(textOf(1)));
  const { costNanoUsd } = await result;
  const { ledger } = await stack.database();
  const span = { from: 0, to: Date.now() + dayMs };
  await expect.poll(() => ledger.sumCosts(span)).toBe(costNanoUsd);
  await stack.redis.client().flushall();
  expect(await stack.read()).toEqual({ spent: costNanoUsd, held: 0 });
  stack.upstream.behave((_call, { held }) => held);
  await stack.front.generate(caller, ask(textOf(2)));
  await expect(stack.front.generate(caller, ask(textOf(3)))).rejects.toMatchObject({ code: 'budget_exceeded' });
});

test('a budget whose ledger did not answer when Redis had lost everything asks it again', async () => {
  const stack = await createBudgetStack([budgetOf(2)]);
  const { ledger } = await stack.database();
  const spent = estimate(textOf(0));
  await ledger.record([createLedgerRow({ provider: 'mistral', costNanoUsd: spent, startedAt: Date.now() })]);
  const rename = (from: string, to: string) => runSql(stack.databaseUrl, `ALTER TABLE ${from} RENAME TO ${to}`);
  await rename('usage_stats', 'usage_away');
  await stack.front.generate(caller, ask(textOf(1)));
  expect(await stack.read()).toEqual({ spent: 0, held: estimate(textOf(1)) });
  await rename('usage_away', 'usage_stats');
  // What time would do.
  const redis = stack.redis.client();
  const [counter = ''] = (await redis.keys('{aimm}:budget:all:*')).filter((key) => !key.endsWith(':holds'));
  await redis.hset(counter, 'seeded', Date.now() - 1);
  expect(await stack.read()).toEqual({ spent, held: estimate(textOf(1)) });
  await expect(stack.front.generate(caller, ask(textOf(2)))).rejects.toMatchObject({ code: 'budget_exceeded' });
});
