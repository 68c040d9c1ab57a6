import { createLogger } from '@aimm/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createIdleWatch } from '../src/stack/idle-watch.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });

describe('createIdleWatch', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const watch = (isBusy: () => Promise<boolean>, idleMs = 300_000) => {
    const left = vi.fn<() => void>();
    return { left, idle: createIdleWatch({ idleMs, isBusy, onIdle: left, logger }) };
  };

  it('leaves when there was no client for the whole time', async () => {
    const { idle, left } = watch(async () => false);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(299_000);
    expect(left).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(left).toHaveBeenCalledOnce();
  });

  it('starts counting anew when a client was there in between', async () => {
    const { idle, left } = watch(async () => false);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(200_000);
    idle.update(1);
    await vi.advanceTimersByTimeAsync(600_000);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(299_000);
    expect(left).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(left).toHaveBeenCalledOnce();
  });

  it('is not put off by news that are not about clients', async () => {
    const { idle, left } = watch(async () => false);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(200_000);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(left).toHaveBeenCalledOnce();
  });

  it('stays while jobs wait or run, or nobody can tell', async () => {
    const answers = [async () => true, async () => Promise.reject(new Error('Redis is down')), async () => false];
    const { idle, left } = watch(() => (answers.shift() ?? (async () => false))());
    idle.update(0);
    await vi.advanceTimersByTimeAsync(300_000 + 10_000);
    expect(left).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(left).toHaveBeenCalledOnce();
  });

  it('stays for longer than a timer can run', async () => {
    const { idle, left } = watch(async () => false, 2 ** 31);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(2 ** 31 - 1);
    expect(left).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(left).toHaveBeenCalledOnce();
  });

  it('stays for a client that comes while the jobs are counted', async () => {
    const counted = Promise.withResolvers<boolean>();
    const { idle, left } = watch(() => counted.promise);
    idle.update(0);
    await vi.advanceTimersByTimeAsync(300_000);
    idle.update(1);
    counted.resolve(false);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(left).not.toHaveBeenCalled();
  });
});
