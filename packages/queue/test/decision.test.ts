import { ModelManagerError } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { decide, type Situation } from '../src/decision.ts';

const situation: Situation = { attempt: 1, attempts: 3, deadlineAt: 1_000_000, now: 0, leaving: false, random: 0.5 };

describe('what becomes of a job after a failed call', () => {
  test('an error that no retry mends stops it', () => {
    const error = new ModelManagerError('invalid_request', 'no');
    expect(decide(error, situation)).toEqual({ action: 'stop', error });
  });

  test('a retryable error is retried, each time later, until the attempts are used', () => {
    const error = new ModelManagerError('network', 'gone');
    const first = decide(error, situation);
    const second = decide(error, { ...situation, attempt: 2 });
    expect(first).toMatchObject({ action: 'retry', delayMs: 250 });
    expect(second).toMatchObject({ action: 'retry', delayMs: 500 });
    expect(decide(error, { ...situation, attempt: 3 }).action).toBe('stop');
  });

  test('retries of many that failed at once are spread over the whole delay', () => {
    const error = new ModelManagerError('network', 'gone');
    const delays = [0, 0.25, 0.999].map((random) => decide(error, { ...situation, attempt: 2, random }));
    expect(delays).toMatchObject([{ delayMs: 0 }, { delayMs: 250 }, { delayMs: 999 }]);
  });

  test('the delay grows no longer than half a minute', () => {
    const decision = decide(new ModelManagerError('network', ''), {
      ...situation,
      attempt: 50,
      attempts: 100,
      random: 0.999,
    });
    expect(decision).toMatchObject({ action: 'retry' });
    expect(decision.action === 'retry' && decision.delayMs).toBeLessThanOrEqual(30_000);
  });

  test('a vendor that says when to come back is believed', () => {
    const error = new ModelManagerError('server_error', '', { retryAfterMs: 20_000 });
    expect(decide(error, situation)).toMatchObject({ action: 'retry', delayMs: 20_000 });
  });

  test.each(['rate_limited', 'overloaded'] as const)('%s pauses the queue, however many attempts were made', (code) => {
    const error = new ModelManagerError(code, '', { retryAfterMs: 7_000 });
    expect(decide(error, { ...situation, attempt: 99 })).toMatchObject({ action: 'pause', delayMs: 7_125 });
  });

  test('a provider that says "too many, come back at once" is asked ever more rarely; one that names a time is believed', () => {
    const pausesOf = (retryAfterMs: number | undefined) =>
      [1, 2, 4, 8, 60].map((calls) => {
        const decision = decide(
          new ModelManagerError('rate_limited', '', retryAfterMs === undefined ? {} : { retryAfterMs }),
          { ...situation, calls, random: 0 },
        );
        return decision.action === 'pause' ? decision.delayMs : decision.action;
      });
    expect(pausesOf(0)).toEqual([250, 500, 2_000, 30_000, 30_000]);
    expect(pausesOf(undefined)).toEqual([5_000, 5_000, 5_000, 30_000, 30_000]);
    expect(pausesOf(1_000)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  });

  test('a rate limit that names no time pauses for five seconds', () => {
    expect(decide(new ModelManagerError('rate_limited', ''), { ...situation, random: 0 })).toMatchObject({
      action: 'pause',
      delayMs: 5_000,
    });
  });

  test('what cannot be tried again before the deadline stops now', () => {
    const error = new ModelManagerError('rate_limited', '', { retryAfterMs: 2_000_000 });
    const decision = decide(error, situation);
    expect(decision.action).toBe('stop');
    expect(decision.error).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 2_000_125,
      hint: expect.stringContaining('2001 s'),
    });
  });

  test('the end of max_wait_seconds counts like a deadline', () => {
    const error = new ModelManagerError('overloaded', '', { retryAfterMs: 5_000 });
    expect(decide(error, { ...situation, startBy: 4_000 }).action).toBe('stop');
  });

  test('who would not wait so long still leaves the provider in peace for those who do', () => {
    const error = new ModelManagerError('rate_limited', '', { retryAfterMs: 5_000 });
    expect(decide(error, { ...situation, startBy: 4_000 })).toMatchObject({ action: 'stop', pauseMs: 5_125 });
    expect(decide(error, { ...situation, deadlineAt: 4_000 })).not.toHaveProperty('pauseMs');
    expect(decide(new ModelManagerError('network', ''), { ...situation, startBy: 1 })).not.toHaveProperty('pauseMs');
  });

  test('a call that a leaving worker broke off is handed to another worker', () => {
    const error = new ModelManagerError('cancelled', '', { retryable: true });
    expect(decide(error, { ...situation, leaving: true }).action).toBe('hand_back');
  });

  test('a call that its client broke off is not', () => {
    expect(decide(new ModelManagerError('cancelled', ''), situation).action).toBe('stop');
  });
});
