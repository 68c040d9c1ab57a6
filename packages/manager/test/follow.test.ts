import { ModelManagerError } from '@aimm/contracts';
import { expect, onTestFinished, test, vi } from 'vitest';
import { follow } from '../src/follow.ts';
import { followJudge } from '../src/follow-judge.ts';
import type { ProgressEvent } from '../src/progress.ts';
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

test('a judge is told of at once, and its place while it waits, until the comparison ends', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const waits = (position: number) => ({ status: 'queued', position, waiting: { position, reason: 'queue' } });
  const states = [{ status: 'missing' }, waits(2), waits(1), { status: 'running' }];
  const told: ProgressEvent[] = [];
  const requests = { find: async () => ({ queue: 'one' }), readState: async () => states[told.length - 1] };
  const logger = { debug: () => undefined };
  // Nothing else of them is asked for.
  const resources = { queue: { requests }, catalog: { findProvider: () => undefined }, logger, now: Date.now };
  const judge = { requestId: 'gen_1', provider: 'one', model: 'm' };
  const end = Promise.withResolvers<void>();
  const onProgress = (event: ProgressEvent) => void told.push(event);
  followJudge(resources as unknown as Resources, judge, { onProgress, end: end.promise });
  await vi.advanceTimersByTimeAsync(4_500);
  end.resolve();
  await vi.advanceTimersByTimeAsync(4_500);
  const named = { type: 'judging', provider: 'one', model: 'm' };
  expect(told).toEqual([
    named,
    named,
    { ...named, position: 2, waitingFor: 'queue' },
    { ...named, position: 1, waitingFor: 'queue' },
    named,
  ]);
});
