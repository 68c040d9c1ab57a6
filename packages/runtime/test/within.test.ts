import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { within } from '../src/within.ts';

test('gives what the work gives, or throws what it throws, and leaves no timer behind', async () => {
  vi.useFakeTimers();
  try {
    expect(await within(1_000, Promise.resolve('done'), () => 'late')).toBe('done');
    await expect(within(1_000, Promise.reject(new Error('broke')), () => 'late')).rejects.toThrow('broke');
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('once time is up, gives or throws what is said instead, and ignores how the work ends', async () => {
  vi.useFakeTimers();
  try {
    const { promise, reject } = Promise.withResolvers<string>();
    const instead = within(1_000, promise, () => 'late');
    const thrown = within(1_000, promise, () => {
      throw new Error('no answer');
    }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await instead).toBe('late');
    expect(await thrown).toEqual(new Error('no answer'));
    // Vitest fails a run with an unhandled rejection.
    reject(new Error('too late for anybody'));
  } finally {
    vi.useRealTimers();
  }
});

test('what came in time counts, also where the event loop was held up past the time', async () => {
  const code = `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (sent) => parentPort.postMessage(sent));`;
  const echo = new Worker(code, { eval: true });
  await once(echo, 'online');
  // From here on the event loop comes to its timers first.
  await new Promise((resolve) => setImmediate(resolve));
  echo.postMessage('an answer');
  const answer = within(20, once(echo, 'message'), () => 'late');
  const heldUpUntil = performance.now() + 200;
  while (performance.now() < heldUpUntil);
  expect(await answer).toEqual(['an answer']);
  await echo.terminate();
});
