import type { DatabaseOnDemand, ModelSpeed } from '@aimm/database';
import { expect, test } from 'vitest';
import { createModelSpeeds } from '../src/model-speed.ts';

const measured: ModelSpeed[] = [{ model: 'a/m', calls: 3, firstTokenMs: 100, tokensPerSecond: 50 }];

/** A ledger that answers as the test says, and counts how often it was asked. */
function create(answer: () => Promise<ModelSpeed[]>) {
  let [now, reads] = [1_000_000, 0];
  const measureSpeed = () => {
    reads += 1;
    return answer();
  };
  // Nothing else of it is asked for.
  const database = { get: async () => ({ ledger: { measureSpeed } }) } as unknown as Pick<DatabaseOnDemand, 'get'>;
  const speeds = createModelSpeeds(database, () => now);
  return {
    reads: () => reads,
    pass: (ms: number) => void (now += ms),
    expected: async () => (await speeds.read())?.('a/m', 100),
  };
}

test('many choices at once and after each other ask the ledger once', async () => {
  const { reads, pass, expected } = create(async () => measured);
  expect(await Promise.all([expected(), expected()])).toEqual([2_100, 2_100]);
  pass(20_000);
  expect(await expected()).toBe(2_100);
  expect(reads()).toBe(1);
  pass(20_000);
  expect(await expected()).toBe(2_100);
  expect(reads()).toBe(2);
  // A clock that is set back makes nothing fresh again.
  pass(-3_600_000);
  expect(await expected()).toBe(2_100);
  expect(reads()).toBe(3);
});

test('of all choices while the database hangs the first alone waits for it, and once it is back its answer counts', async () => {
  let isAway = true;
  const { reads, pass, expected } = create(() =>
    isAway ? new Promise<never>(() => undefined) : Promise.resolve(measured),
  );
  expect(await expected()).toBeUndefined();
  const askedAt = performance.now();
  for (let choices = 0; choices < 20; choices += 1) {
    expect(await expected()).toBeUndefined();
    pass(500);
  }
  // Each that waited would take a second.
  expect(performance.now() - askedAt).toBeLessThan(500);
  // The second question is still open: nobody asks a third.
  expect(reads()).toBe(2);
  isAway = false;
  await expect
    .poll(
      () => {
        pass(1_000);
        return expected();
      },
      { timeout: 5_000 },
    )
    .toBe(2_100);
  expect(reads()).toBe(3);
});
