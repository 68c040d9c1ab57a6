import { ModelManagerError } from '@aimm/contracts';
import { expect, onTestFinished, test, vi } from 'vitest';
import { follow } from '../src/follow.ts';
import type { Resources } from '../src/resources.ts';

/** A request that waits in its queue for ever, and how often that was looked up. */
function followWaiting(onOverdue: () => Promise<void>) {
  vi.useFakeTimers({ now: 1_000_000 });
  onTestFinished(() => void vi.useRealTimers());
  let looks = 0;
  const queue = {
    waiters: { wait: () => ({ outcome: new Promise<never>(() => undefined), added: () => undefined, stop() {} }) },
    requests: {
      async find() {
        looks += 1;
        return { requestId: 'gen_1', queue: 'one', model: 'one/m' };
      },
      readState: async () => ({ status: 'queued', position: 1 }),
    },
  };
  const logger = { debug: () => undefined };
  const catalog = { findProvider: () => undefined };
  // Nothing else of them is asked for.
  const resources = { queue, catalog, logger, now: Date.now } as unknown as Resources;
  const options = { requestId: 'gen_1', provider: 'one', model: 'm', deadlineAt: 2_000_000 };
  follow(resources, { ...options, startBy: 1_000_500, onOverdue }).added();
  return { looks: () => looks };
}

test('a wait that could not be ended when it was over is ended a moment later, once', async () => {
  const tries: number[] = [];
  followWaiting(async () => {
    tries.push(Date.now());
    if (tries.length === 1) throw new ModelManagerError('unavailable', 'Redis cannot be reached.');
  });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(tries).toEqual([1_000_500, 1_001_500]);
});

test('a wait that is over is not looked up without a pause', async () => {
  const { looks } = followWaiting(async () => undefined);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looks()).toBeLessThan(15);
});
