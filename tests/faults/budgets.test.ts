import { createManager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { caller } from '../support/asker.ts';
import { createConfigWith } from '../support/configured.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-medium-3-5';

async function createBudgetStack() {
  const configDir = createConfigWith({ providers: { budgets: [{ name: 'all', limitUsd: 5, period: 'month' }] } });
  const stack = await createFaultStack({ env: { AIMM_CONFIG_DIR: configDir } });
  const logger = await createLogger({ name: 'front', level: 'silent', format: 'json' });
  const { REDIS_URL: redisUrl = '', DATABASE_URL: databaseUrl = '' } = stack.env;
  const front = await createManager({ redisUrl, databaseUrl, configDir, raw: stack.env, logger });
  onTestFinished(() => front.close());
  const redis = stack.redis.client();
  const read = async () => {
    const [counter = ''] = (await redis.keys('{aimm}:budget:all:*')).filter((key) => !key.endsWith(':holds'));
    const [spent, held] = await redis.hmget(counter, 'spent', 'held');
    return { spent: Number(spent), held: Number(held) };
  };
  return { ...stack, front, read };
}

test('a request whose worker was killed in mid-call is settled once: its answer, and what the lost call may have cost', async () => {
  const stack = await createBudgetStack();
  stack.upstream.behave((call, tools) => (call.number === 1 ? tools.held : echo(call, tools)));
  const first = await stack.startWorker();
  const asked = await stack.generate(stack.front, 'killed within a budget', { model });
  await stack.upstream.arrived(1);
  const { held } = await stack.read();
  expect(held).toBeGreaterThan(0);
  await first.end('SIGKILL');
  // Nothing is given back while nobody knows.
  expect(await stack.read()).toEqual({ spent: 0, held });
  await stack.startWorker();

  const { costNanoUsd } = await asked.result;
  const settled = { spent: held + (costNanoUsd ?? 0), held: 0 };
  expect(await stack.read()).toEqual(settled);
  await expectInvariants(stack);
  expect(await stack.read()).toEqual(settled);
});

test('a request that was settled before its worker was killed is not settled again', async () => {
  const stack = await createBudgetStack();
  const first = await stack.startWorker({ DATABASE_URL: 'postgresql://nobody:nothing@127.0.0.1:9/none' });
  const asked = await stack.generate(stack.front, 'killed after its answer', { model });
  const { costNanoUsd } = await asked.result;
  // The answer is there, its ledger row is not: the worker still waits for its database.
  expect(await stack.read()).toEqual({ spent: costNanoUsd, held: 0 });
  await first.end('SIGKILL');
  await stack.startWorker();
  await expectInvariants(stack);
  expect(await stack.front.getJob(caller, asked.requestId)).toMatchObject({ status: 'succeeded' });
  expect(await stack.read()).toEqual({ spent: costNanoUsd, held: 0 });
  expect(stack.upstream.calls).toHaveLength(1);
});
