import { randomUUID } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import { type BudgetClaim, CallFailedError, type FrontQueue, openFrontQueue } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createQueueFixture, type QueueFixture, toResult } from '../support/queue-fixture.ts';

let fixture: QueueFixture;
let other: FrontQueue;
beforeAll(async () => {
  fixture = await createQueueFixture();
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  other = openFrontQueue({ redisUrl: fixture.redis.url, frontId: randomUUID(), providers: () => [], logger });
});
afterAll(async () => {
  await other.close();
  await fixture.close();
});

const later = Date.now() + 3_600_000;
let key = '';
beforeEach(() => (key = `budget:${randomUUID()}`));

const claim = (requestId: string | undefined, nanoUsd: number, given: Partial<BudgetClaim> = {}): BudgetClaim => ({
  key,
  limitNanoUsd: 1_000,
  keepUntil: later,
  seedNanoUsd: 0,
  holds: requestId === undefined ? [] : [{ requestId, nanoUsd, expiresAt: later }],
  ...given,
});
const reserve = (...claims: BudgetClaim[]) => fixture.front.budgets.reserve(claims);
const read = async () => {
  const reserved = await reserve(claim(undefined, 0));
  return reserved.state === 'held' ? reserved.counts[0] : reserved;
};
const settle = (requestId: string, nanoUsd: number) => fixture.front.budgets.settle(requestId, [{ key, nanoUsd }]);
const charge = (requestId: string, nanoUsd: number) => fixture.front.budgets.charge(requestId, [{ key, nanoUsd }]);
/** As every hour, with what the ledger says by now. */
const compare = async (seedNanoUsd: number) => {
  const redis = fixture.redis.client();
  const [counter = ''] = (await redis.keys(`*${key}*`)).filter((name) => !name.endsWith(':holds'));
  await redis.hset(counter, 'seeded', Date.now() - 1);
  await reserve(claim(undefined, 0, { seedNanoUsd }));
  return read();
};

describe('a budget for ten', () => {
  test('lets ten of a hundred through that ask at once, over two fronts', async () => {
    const fronts = [fixture.front, other];
    const asked = Array.from({ length: 100 }, (_, index) =>
      (fronts[index % 2] ?? other).budgets.reserve([claim(`r${index}`, 100)]),
    );
    const states = (await Promise.all(asked)).map(({ state }) => state);
    expect(states.filter((state) => state === 'held')).toHaveLength(10);
    expect(states.filter((state) => state === 'exceeded')).toHaveLength(90);
    expect(await read()).toEqual({ spentNanoUsd: 0, heldNanoUsd: 1_000 });
  });

  test('lets further ones in once it knows what a request really cost', async () => {
    await reserve(claim('a', 900));
    expect(await reserve(claim('b', 200))).toEqual({ state: 'exceeded', index: 0, spentNanoUsd: 0, heldNanoUsd: 900 });
    await settle('a', 30);
    expect(await reserve(claim('b', 200))).toMatchObject({ state: 'held' });
    expect(await read()).toEqual({ spentNanoUsd: 30, heldNanoUsd: 200 });
  });

  test('counts a request once, however often it is reserved and settled', async () => {
    await reserve(claim('a', 400));
    await reserve(claim('a', 400));
    expect(await read()).toEqual({ spentNanoUsd: 0, heldNanoUsd: 400 });
    for (let times = 0; times < 3; times += 1) await settle('a', 50);
    expect(await read()).toEqual({ spentNanoUsd: 50, heldNanoUsd: 0 });
  });
});

describe('several budgets', () => {
  test('are reserved together or not at all', async () => {
    const narrow = { key: `${key}-narrow`, limitNanoUsd: 10 };
    expect(await reserve(claim('a', 50), claim('a', 50, narrow))).toMatchObject({ state: 'exceeded', index: 1 });
    expect(await read()).toEqual({ spentNanoUsd: 0, heldNanoUsd: 0 });
  });

  test('hold all of a comparison or nothing of it', async () => {
    const holds = ['a', 'b', 'c'].map((requestId) => ({ requestId, nanoUsd: 400, expiresAt: later }));
    expect(await reserve(claim(undefined, 0, { holds }))).toMatchObject({ state: 'exceeded' });
    expect(await reserve(claim(undefined, 0, { holds: holds.slice(1) }))).toMatchObject({ state: 'held' });
  });
});

describe('a hold', () => {
  test('that ran out with its request gives its room back, and still takes the cost should it come', async () => {
    await reserve(claim('lost', 900, { holds: [{ requestId: 'lost', nanoUsd: 900, expiresAt: Date.now() - 1 }] }));
    expect(await reserve(claim('next', 900))).toMatchObject({ state: 'held' });
    await settle('lost', 40);
    await settle('lost', 40);
    expect(await read()).toEqual({ spentNanoUsd: 40, heldNanoUsd: 900 });
  });

  test('is settled only by who owns the job', async () => {
    await reserve(claim('a', 100));
    const lockKey = `{aimm}:test-lock:${key}`;
    await fixture.front.budgets.settle('a', [{ key, nanoUsd: 9 }], { lockKey, token: 'mine' });
    expect(await read()).toEqual({ spentNanoUsd: 0, heldNanoUsd: 100 });
    await fixture.redis.client().set(lockKey, 'mine');
    await fixture.front.budgets.settle('a', [{ key, nanoUsd: 9 }], { lockKey, token: 'mine' });
    expect(await read()).toEqual({ spentNanoUsd: 9, heldNanoUsd: 0 });
  });

  test('of nothing, where the price is unknown, passes until the budget is used up', async () => {
    await reserve(claim('a', 1_000));
    await settle('a', 999);
    expect(await reserve(claim('unpriced', 0))).toMatchObject({ state: 'held' });
    await settle('unpriced', 1);
    expect(await reserve(claim('unpriced 2', 0))).toMatchObject({ state: 'exceeded' });
  });
});

describe('what a request has cost that goes on', () => {
  test('is spent before the ledger knows of it, and counts once, however often it is told and compared', async () => {
    await reserve(claim('a', 100, { seedNanoUsd: 7 }));
    await charge('a', 10);
    await charge('a', 10);
    await charge('a', 30);
    await charge('a', 10);
    expect(await read()).toEqual({ spentNanoUsd: 37, heldNanoUsd: 100 });
    expect(await compare(37)).toEqual({ spentNanoUsd: 37, heldNanoUsd: 100 });
    // A call of 5 that nobody reserved for.
    expect(await compare(42)).toEqual({ spentNanoUsd: 42, heldNanoUsd: 100 });
    await settle('a', 50);
    await charge('a', 60);
    expect(await compare(62)).toEqual({ spentNanoUsd: 62, heldNanoUsd: 0 });
  });

  test('stays spent where it is given up before its next call', async () => {
    await reserve(claim('a', 100));
    await charge('a', 30);
    await settle('a', 0);
    expect(await read()).toEqual({ spentNanoUsd: 30, heldNanoUsd: 0 });
  });

  test('counts once as well where its hold ran out, and where it had ended and is run again', async () => {
    await reserve(claim('a', 100, { holds: [{ requestId: 'a', nanoUsd: 100, expiresAt: Date.now() - 1 }] }));
    await charge('a', 10);
    expect(await compare(10)).toEqual({ spentNanoUsd: 10, heldNanoUsd: 0 });
    await charge('a', 20);
    await settle('a', 30);
    expect(await compare(30)).toEqual({ spentNanoUsd: 30, heldNanoUsd: 0 });
    const share = { key, keepUntil: later, heldNanoUsd: 100 };
    for (let times = 0; times < 2; times += 1)
      await fixture.front.budgets.reopen('a', [share], [{ key, nanoUsd: 30 }], later);
    expect(await compare(30)).toEqual({ spentNanoUsd: 30, heldNanoUsd: 100 });
    await settle('a', 45);
    expect(await compare(45)).toEqual({ spentNanoUsd: 45, heldNanoUsd: 0 });
  });

  test.each(['is tried again', 'goes to a fallback'])('is told as its job %s', async (how) => {
    const share = { key, keepUntil: later, heldNanoUsd: 100 };
    const asked = fixture.payload({ budget: [share] });
    const { requestId, deadlineAt } = asked;
    const left = (...costs: number[]) => ({
      calls: [],
      rows: costs.map((costNanoUsd) => createLedgerRow({ requestId, costNanoUsd })),
      stalledCount: 0,
    });
    const broke = new ModelManagerError('server_error', 'It broke.');
    let between: unknown;
    const consumer = await fixture.consume(async (payload, context) => {
      const isHop = payload.hop !== undefined;
      if (how === 'is tried again') await context.save(left(10));
      else if (!isHop) await context.settle({ status: 'failed', error: broke.toShape(), continues: true }, left(10));
      // By now the ledger has the first call's row.
      between ??= await compare(10);
      if (how === 'goes to a fallback' && !isHop) {
        await fixture.front.producer.addGeneration({ ...payload, hop: 1, budget: [{ ...share, spentNanoUsd: 10 }] });
        throw new CallFailedError({ action: 'stop', error: broke });
      }
      const value = toResult(payload, '');
      await context.settle({ status: 'succeeded', value }, isHop ? left(25) : left(10, 25));
      return { value };
    });
    await reserve(claim(requestId, 100));
    const { outcome } = fixture.front.waiters.wait(requestId, { deadlineAt });
    await fixture.front.producer.addGeneration(asked);
    await outcome;
    await consumer.close(1_000);
    expect(between).toEqual({ spentNanoUsd: 10, heldNanoUsd: 100 });
    expect(await compare(35)).toEqual({ spentNanoUsd: 35, heldNanoUsd: 0 });
  });
});

describe('a counter that is not there', () => {
  test('asks for what was spent, and takes the first answer', async () => {
    const { seedNanoUsd: _none, ...unseeded } = claim('a', 100);
    expect(await reserve(unseeded)).toEqual({ state: 'unseeded', indexes: [0] });
    const answers = await Promise.all([
      fixture.front.budgets.reserve([claim('a', 100, { seedNanoUsd: 850 })]),
      other.budgets.reserve([claim('b', 100, { seedNanoUsd: 850 })]),
    ]);
    expect(answers.map(({ state }) => state).toSorted()).toEqual(['exceeded', 'held']);
    expect(await read()).toEqual({ spentNanoUsd: 850, heldNanoUsd: 100 });
  });

  test('is compared with the ledger once an hour, since calls that nobody counted may have been made', async () => {
    await reserve(claim('a', 100, { seedNanoUsd: 40 }));
    const redis = fixture.redis.client();
    const [counter = ''] = (await redis.keys(`*${key}*`)).filter((name) => !name.endsWith(':holds'));
    const leftMs = Number(await redis.hget(counter, 'seeded')) - Date.now();
    expect(leftMs).toBeGreaterThan(3_500_000);
    expect(leftMs).toBeLessThanOrEqual(3_600_000);
    const { seedNanoUsd: _none, ...unseeded } = claim('b', 100);
    expect(await reserve(unseeded)).toMatchObject({ state: 'held' });

    const pass = () => redis.hset(counter, 'seeded', Date.now() - 1);
    await pass();
    expect(await reserve(unseeded)).toEqual({ state: 'unseeded', indexes: [0] });
    await reserve(claim(undefined, 0, { seedNanoUsd: 700 }));
    expect(await read()).toEqual({ spentNanoUsd: 700, heldNanoUsd: 200 });
    await pass();
    await reserve(claim(undefined, 0, { seedNanoUsd: 50 }));
    expect(await read()).toEqual({ spentNanoUsd: 700, heldNanoUsd: 200 });
  });

  test('and every other key of it goes by itself', async () => {
    await reserve(claim('a', 100));
    const redis = fixture.redis.client();
    const ttls = await Promise.all((await redis.keys(`*${key}*`)).map((name) => redis.pttl(name)));
    expect(ttls).toHaveLength(2);
    expect(ttls.every((ttl) => ttl > 0)).toBe(true);
  });
});
