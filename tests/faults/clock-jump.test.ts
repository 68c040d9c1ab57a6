import { listWorkers } from '@aimm/queue';
import { expect, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { echo } from '../support/upstream.ts';

const jumping = { NODE_OPTIONS: `--import ${new URL('../support/clock-jump.ts', import.meta.url).href}` };
const hourMs = 3_600_000;

test.each([
  { name: 'an hour ahead', offsetMs: hourMs },
  { name: 'an hour back', offsetMs: -hourMs },
])(
  'a worker whose clock jumps $name under load loses nothing, and lets the others work',
  async ({ offsetMs }) => {
    const stack = await createFaultStack({ env: { MISTRAL_CONCURRENCY: '10' }, provider: { cooldown: false } });
    const { upstream } = stack;
    upstream.behave(async (call, tools) => {
      const isFirst = upstream.calls.find(({ prompt }) => prompt === call.prompt) === call;
      if (call.prompt.includes('broken') && isFirst) return tools.fail(500, { message: 'broken' });
      if (call.prompt.includes('held')) await tools.held;
      return echo(call, tools);
    });
    const [front, jumper] = await Promise.all([stack.openFront(), stack.startWorker(jumping)]);
    const ask = (name: string, count: number) =>
      Promise.all(Array.from({ length: count }, (_, index) => stack.generate(front, `${name} ${index}`)));
    const held = await ask('held', 5);
    const broken = await ask('broken', 5);
    await upstream.arrived(10);
    jumper.child.send({ type: 'clock', offsetMs });
    const after = await ask('after the jump', 20);
    upstream.release();
    await stack.startWorker();
    const later = await ask('with another worker', 20);

    const ends = await Promise.allSettled([...held, ...broken, ...after, ...later].map(({ result }) => result));
    expect(ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))).toEqual([]);
    const redis = stack.redis.client();
    const countWorkers = () => listWorkers(redis).then(({ length }) => length);
    await expect.poll(countWorkers, { timeout: 10_000 }).toBe(2);
    await expect.poll(() => jumper.log(), { timeout: 10_000 }).toContain('clock differs from that of Redis');
    await expectInvariants(stack);
  },
  120_000,
);
