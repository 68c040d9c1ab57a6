import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createFloodGate } from '../src/flood-gate.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Says a message so often, evenly over the time, and tells what was written. */
function flood(times: number, ms: number) {
  const written: string[] = [];
  const gate = createFloodGate({ onLeftOut: (message, count) => written.push(`${count} × ${message}`) });
  for (let said = 0; said < times; said += 1) {
    if (gate.passes('it failed')) written.push('it failed');
    vi.advanceTimersByTime(ms / times);
  }
  return { gate, written };
}

test('a few lines are all written', () => {
  expect(flood(10, 1_000).written).toHaveLength(10);
});

test('of a flood the first lines are written, and then how many were left out', () => {
  const { written } = flood(5_000, 10_000);
  expect(written.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'it failed'));
  expect(written.slice(10)).toEqual(['4990 × it failed']);
});

test('a flood of a minute makes a dozen lines, which count every one that was left out', () => {
  const { written } = flood(60_000, 60_000);
  vi.advanceTimersByTime(120_000);
  const counted = written.slice(10).map((line) => Number(line.split(' ')[0]));
  expect(written.length).toBeLessThan(16);
  expect(counted.reduce((sum, count) => sum + count, 10)).toBe(60_000);
});

test('once it is over, and for other messages meanwhile, lines are written as ever', () => {
  const { gate, written } = flood(5_000, 10_000);
  expect(gate.passes('something else')).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(gate.passes('it failed')).toBe(true);
  expect(written.at(-1)).toContain('×');
});
