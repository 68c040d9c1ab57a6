import { setTimeout as delay } from 'node:timers/promises';
import { listWorkers } from '@aimm/queue';
import { expect, onTestFinished, test } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import type { FrontMessage } from '../support/front-process.ts';
import { expectInvariants } from '../support/invariants.ts';
import { startProcess } from '../support/processes.ts';
import { echo } from '../support/upstream.ts';

const jumping = { NODE_OPTIONS: `--import ${new URL('../support/clock-jump.ts', import.meta.url).href}` };
const hourMs = 3_600_000;
const lockMs = 6_000;

test.each([
  { name: 'an hour ahead', offsetMs: hourMs },
  { name: 'an hour back', offsetMs: -hourMs },
])(
  'a worker whose clock jumps $name under load loses nothing, and lets the others work',
  async ({ offsetMs }) => {
    const stack = await createFaultStack({
      env: { MISTRAL_CONCURRENCY: '10', AIMM_LOCK_SECONDS: String(lockMs / 1_000) },
      provider: { cooldown: false },
    });
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
    // Longer than the locks of what runs last, if nobody renews them: their calls would be made again.
    await delay(lockMs + 1_500);
    const after = await ask('after the jump', 20);
    upstream.release();
    await stack.startWorker();
    const later = await ask('with another worker', 20);

    const told = await Promise.allSettled([...held, ...broken, ...after, ...later].map(({ result }) => result));
    expect(told.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))).toEqual([]);
    const redis = stack.redis.client();
    const countWorkers = () => listWorkers(redis).then(({ length }) => length);
    await expect.poll(countWorkers, { timeout: 10_000 }).toBe(2);
    await expect.poll(() => jumper.log(), { timeout: 10_000 }).toContain('clock differs from that of Redis');
    await expectInvariants(stack);
    // Those that broke were asked once more, nobody else.
    expect(upstream.calls).toHaveLength(held.length + 2 * broken.length + after.length + later.length);
  },
  120_000,
);

test('a front whose clock jumps an hour back still finds the end of a request whose reply was lost', async () => {
  const stack = await createFaultStack();
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await tools.held;
    return echo(call, tools);
  });
  await stack.startWorker();
  const prompt = stack.createPrompt('its reply is lost');
  const front = startProcess('tests/support/front-process.ts', { ...stack.env, ...jumping }, [
    'mistral/mistral-small-latest',
    prompt,
  ]);
  onTestFinished(async () => void (await front.end('SIGKILL')));
  const requestId = await new Promise<string>((resolve, reject) => {
    front.child.on('message', (message: FrontMessage) => message.type === 'accepted' && resolve(message.requestId));
    void front.exited.then((code) => reject(new Error(`the front left with code ${code}:\n${front.log()}`)));
  });
  stack.remember({ requestId, prompt, model: 'mistral-small-latest', heard: '', events: [] });
  await upstream.arrived(1);
  front.child.send({ type: 'clock', offsetMs: -hourMs });
  // Nobody writes to a stream that is gone: the reply is lost.
  const redis = stack.redis.client();
  const streams = await redis.keys('{aimm}:replies:*');
  expect(streams).not.toEqual([]);
  await redis.del(...streams);
  upstream.release();
  // It leaves once it knows the end of what it asked.
  const left = await Promise.race([
    front.exited,
    new Promise((resolve) => setTimeout(() => resolve('waits on'), 20_000)),
  ]);
  expect(left).toBe(0);
  await expectInvariants(stack);
}, 60_000);
