import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLogSync } from '../src/sync-log.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('is on the disk a second after the first write, however many follow, and once more after the next', async () => {
  const sync = vi.fn<(path: string) => Promise<void>>(() => Promise.resolve());
  const log = createLogSync('aimm.db-wal', sync);
  for (let write = 0; write < 9; write += 1) {
    log.noteWrite();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(sync).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(100);
  expect(sync.mock.calls).toEqual([['aimm.db-wal']]);
  await vi.advanceTimersByTimeAsync(10_000);
  log.noteWrite();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sync).toHaveBeenCalledTimes(2);
});

it('waits for the disk when it closes, and fails nobody', async () => {
  const sync = vi.fn<(path: string) => Promise<void>>(() => Promise.reject(new Error('no such file')));
  const log = createLogSync('aimm.db-wal', sync);
  log.noteWrite();
  await log.close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sync).toHaveBeenCalledTimes(1);
  await createLogSync('aimm.db-wal', sync).close();
  expect(sync).toHaveBeenCalledTimes(1);
});
