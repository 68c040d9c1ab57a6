import { expect, test } from 'vitest';
import { toWindow } from '../src/batch/feed-columns.ts';

test('a provider’s window holds what its workers take in seconds, within bounds', () => {
  // Few at once: enough to hide the way to the database.
  expect(toWindow({ concurrency: 1 })).toBe(20);
  expect(toWindow({ concurrency: 10 })).toBe(40);
  // A fast rate at a low concurrency is no reason to hold more than runs soon.
  expect(toWindow({ concurrency: 10, requestsPerMinute: 6_000 })).toBe(80);
  expect(toWindow({ concurrency: 500, requestsPerMinute: 1e9 })).toBe(400);
});
