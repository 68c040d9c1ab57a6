import { describe, expect, test } from 'vitest';
import { toWaitView } from '../src/wait.ts';

const now = 1_000_000;
const inLine = { position: 12, inLine: 40, reason: 'queue' } as const;

describe('the estimated wait', () => {
  test('is the place over the pace of the queue', () => {
    const state = { status: 'queued', waiting: { ...inLine, startsPerSecond: 0.4 } } as const;
    expect(toWaitView(state, undefined, now)).toEqual({
      position: 12,
      inLine: 40,
      waitingFor: 'queue',
      estimatedWaitMs: 30_000,
    });
  });

  test('is no shorter than the limit of requests per minute allows', () => {
    const state = { status: 'queued', waiting: { ...inLine, startsPerSecond: 50 } } as const;
    expect(toWaitView(state, 60, now)?.estimatedWaitMs).toBe(12_000);
    expect(toWaitView({ status: 'queued', waiting: inLine }, 60, now)?.estimatedWaitMs).toBe(12_000);
  });

  test('has the pause in it that holds everybody', () => {
    const waiting = { ...inLine, reason: 'provider', until: now + 60_000, startsPerSecond: 12 } as const;
    expect(toWaitView({ status: 'queued', waiting }, undefined, now)).toMatchObject({
      estimatedWaitMs: 61_000,
      waitingFor: 'provider',
      waitingUntil: now + 60_000,
    });
  });

  test('of what is put aside is the time until then', () => {
    const waiting = { reason: 'retry', until: now + 7_000 } as const;
    expect(toWaitView({ status: 'queued', waiting }, 60, now)).toEqual({
      estimatedWaitMs: 7_000,
      waitingFor: 'retry',
      waitingUntil: now + 7_000,
    });
  });

  test('is not guessed where neither pace nor limit is known', () => {
    expect(toWaitView({ status: 'queued', waiting: inLine }, undefined, now)).not.toHaveProperty('estimatedWaitMs');
    expect(toWaitView({ status: 'running' }, 60, now)).toBeUndefined();
  });
});
