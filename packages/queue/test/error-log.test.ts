import type { Logger } from '@aimm/runtime';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createErrorLog } from '../src/error-log.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

function listen() {
  const startedAt = Date.now();
  const lines: { second: number; reason: string; suppressed: number }[] = [];
  const warn = ({ reason, suppressed }: { reason: string; suppressed: number }) =>
    lines.push({ second: (Date.now() - startedAt) / 1_000, reason, suppressed });
  const onError = createErrorLog({ warn } as unknown as Logger, 'Something failed');
  const fail = (reason: string, seconds: number) => {
    for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
      onError(new Error(reason));
      vi.advanceTimersByTime(100);
    }
  };
  return { lines, fail };
}

it('what fails again and again is told more and more rarely, and how often it was', () => {
  const { lines, fail } = listen();
  fail('gone', 200);
  expect(lines.map(({ second }) => second)).toEqual([0, 10, 30, 70, 130, 190]);
  expect(lines.reduce((sum, { suppressed }) => sum + suppressed + 1, 0)).toBe(1_901);
});

it('what fails for another reason, or once more after it had ended, is told at once', () => {
  const { lines, fail } = listen();
  fail('gone', 20);
  fail('refused', 1);
  vi.advanceTimersByTime(300_000);
  fail('gone', 11);
  expect(lines.map(({ second, reason }) => `${reason} ${second}`)).toEqual([
    'gone 0',
    'gone 10',
    'refused 20',
    'gone 321',
    'gone 331',
  ]);
});
