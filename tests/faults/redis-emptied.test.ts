import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { echo } from '../support/upstream.ts';

/** Emptied, a Redis still knows its connections and our scripts; started anew it knows nothing at all. */
const ways: { how: string; empty: (redis: RedisServer) => Promise<unknown> }[] = [
  { how: 'emptied', empty: (redis) => redis.client().flushall() },
  {
    how: 'killed and started again without its files',
    async empty(redis) {
      await redis.kill();
      await redis.wipe();
      await redis.start();
    },
  },
];

test.each(ways)(
  'with Redis $how under way clients are told so, nobody is sent anything of others, and every call is in the ledger',
  async ({ empty }) => {
    const stack = await createFaultStack();
    const { upstream } = stack;
    upstream.behave(async (call, tools) => {
      if (call.number <= 3) await tools.held;
      return echo(call, tools);
    });
    const [front] = await Promise.all([stack.openFront(), stack.startWorker({ MISTRAL_CONCURRENCY: '3' })]);
    const lost = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `lost ${index}`)));
    const told = lost.map(({ result }) => expect(result).rejects.toMatchObject({ code: 'outcome_unknown' }));
    await upstream.arrived(3);
    await empty(stack.redis);
    upstream.release();
    // Who asks while it is away is refused, which is another test's.
    await expect.poll(() => front.listProviders().catch(() => undefined), { timeout: 10_000 }).toBeDefined();
    const after = await Promise.all(Array.from({ length: 6 }, (_, index) => stack.generate(front, `after ${index}`)));
    const answers = await Promise.all(after.map(({ result }) => result));
    expect(answers.map(({ text }) => text)).toEqual(after.map(({ prompt }) => `echo: ${prompt}`));
    await Promise.all(told);

    // What ran when it happened was paid for, and its worker knows what it cost.
    expect(upstream.calls).toHaveLength(9);
    const { ledger } = await stack.database();
    const countRows = async () => (await ledger.summarize({ from: 0, to: Date.now() + 60_000 })).totals;
    await expect.poll(countRows, { timeout: 10_000 }).toMatchObject({ calls: 9, succeeded: 9, inputTokens: 90 });
  },
);
