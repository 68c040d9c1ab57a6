import { ModelManagerError } from '@aimm/contracts';
import { createFairOrder } from '@aimm/queue';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createQueueFixture, type QueueFixture, toResult } from '../support/queue-fixture.ts';
import { createRandom } from '../support/seeded-random.ts';

let fixture: QueueFixture;
beforeEach(async () => {
  fixture = await createQueueFixture();
});
afterEach(() => fixture.close());

type Lane = 'interactive' | 'batch';
/** Requests are told apart by what they ask: the client's name and a number. */
const toPayload = (client: string, number: number, lane: Lane = 'interactive') =>
  fixture.payload({
    client,
    lane,
    request: {
      model: `${client}${number}`,
      messages: [{ role: 'user', content: [{ type: 'text', text: '?' }] }],
      settings: {},
    },
  });
const add = async (client: string, from: number, count: number, lane?: Lane) => {
  const payloads = Array.from({ length: count }, (_, index) => toPayload(client, from + index, lane));
  await Promise.all(payloads.map((payload) => fixture.front.producer.addGeneration(payload)));
};

/** Runs what waits, one at a time, until `count` have run; gives back who ran in which order. */
const runAll = async (
  count: number,
  onRun: (label: string, ran: readonly string[]) => Promise<void> | void = () => {},
) => {
  const ran: string[] = [];
  const done = Promise.withResolvers<void>();
  await fixture.consume(
    async (payload) => {
      const label = payload.request.model;
      await onRun(label, ran);
      ran.push(label);
      if (ran.length === count) done.resolve();
      return { value: toResult(payload, '') };
    },
    { concurrency: 1 },
  );
  await done.promise;
  return ran;
};
const clientOf = (label: string) => label.replace(/\d+$/, '');
const numberOf = (label: string) => Number(/\d+$/.exec(label)?.[0]);
/** Every client's own requests in the order they came. */
const expectOwnOrder = (ran: readonly string[]) => {
  for (const client of new Set(ran.map(clientOf))) {
    const numbers = ran.filter((label) => clientOf(label) === client).map(numberOf);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
};

describe('clients that wait for the same provider', () => {
  test('ten requests behind three hundred of another client are served in turn with them', async () => {
    await add('a', 0, 300);
    await add('b', 0, 10);
    const ran = await runAll(310);
    expectOwnOrder(ran);
    const turns = ran.flatMap((label, place) => (clientOf(label) === 'b' ? [place] : []));
    // The first round has a's first and b's first, and so on.
    expect(turns).toEqual(Array.from({ length: 10 }, (_, index) => 2 * index + 1));
  });

  test('three clients get equal shares at any moment while all wait', async () => {
    const random = createRandom();
    const left = { a: 60, b: 60, c: 60 };
    const names = ['a', 'b', 'c'] as const;
    const added = { a: 0, b: 0, c: 0 };
    for (;;) {
      const open = names.filter((name) => left[name] > 0);
      const name = open[Math.floor(random.between(0, open.length))];
      if (name === undefined) break;
      const count = Math.min(left[name], Math.ceil(random.between(0, 20)));
      await add(name, added[name], count);
      added[name] += count;
      left[name] -= count;
    }
    const ran = await runAll(180);
    expectOwnOrder(ran);
    const shares = { a: 0, b: 0, c: 0 };
    for (const label of ran) {
      shares[clientOf(label) as 'a' | 'b' | 'c'] += 1;
      const counts = Object.values(shares);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });

  test('whoever comes and goes, no client is served more than twice oftener than another that waits', async () => {
    const random = createRandom();
    const names = ['a', 'b', 'c', 'd'];
    const counts = new Map<string, number>();
    /** When a request was there: after how many had run. */
    const cameAt = new Map<string, number>();
    const total = 240;
    let planned = 0;
    const addSome = async (ranSoFar: number) => {
      const client = names[Math.floor(random.between(0, names.length))] ?? 'a';
      const count = Math.min(total - planned, Math.ceil(random.between(0, client === 'a' ? 30 : 4)));
      if (count <= 0) return;
      const from = counts.get(client) ?? 0;
      counts.set(client, from + count);
      planned += count;
      for (let index = 0; index < count; index += 1) cameAt.set(`${client}${from + index}`, ranSoFar);
      await add(client, from, count);
    };
    while (planned < 60) await addSome(0);
    const ran = await runAll(total, async (_label, soFar) => {
      if (planned < total && (random.between(0, 1) < 0.4 || planned === soFar.length + 1))
        await addSome(soFar.length + 1);
    });
    expectOwnOrder(ran);
    const passes = ran.flatMap((label, place) => {
      const since = cameAt.get(label) ?? 0;
      const client = clientOf(label);
      const own = ran.slice(since, place).filter((other) => clientOf(other) === client).length;
      return names
        .filter((name) => name !== client)
        .map((name) => ran.slice(since, place).filter((other) => clientOf(other) === name).length - own);
    });
    expect(Math.max(...passes)).toBeLessThanOrEqual(2);
  });

  test('with the tags used up requests run as they came, and in turn again once those are gone', async () => {
    await add('a', 0, 1);
    const redis = fixture.redis.client();
    await redis.hset('{aimm}:fair:openai:interactive', 'c:a', 2 ** 20 - 4);
    await add('a', 1, 5);
    await add('b', 0, 3);
    const first = await runAll(9);
    expect(first).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'b0', 'b1', 'b2']);
    expect(await redis.zcard('{aimm}:openai:prioritized')).toBe(0);
  });
});

describe('what has run before and is put back', () => {
  test('keeps its place before everything that has not run yet', async () => {
    await add('a', 0, 20);
    const failed = new Set<string>();
    const redis = fixture.redis.client();
    const isDue = async () => {
      const [, score = '0'] = await redis.zrange('{aimm}:openai:delayed', '0', '0', 'WITHSCORES');
      return Number(score) / 4096 < Date.now();
    };
    const ran = await runAll(20, async (label) => {
      if (label === 'a12') await vi.waitUntil(isDue, 5_000);
      if ((label === 'a3' || label === 'a7') && !failed.has(label)) {
        failed.add(label);
        // Long enough that a busy machine has run the others until its time comes.
        if (label === 'a7') throw new ModelManagerError('network', 'again', { retryAfterMs: 1_500 });
        throw new ModelManagerError('rate_limited', 'again', { retryAfterMs: 40 });
      }
    });
    expect(ran.indexOf('a3')).toBe(3);
    // It waits for its time and not for its turn.
    expect(ran.indexOf('a7')).toBe(ran.indexOf('a12') + 1);
    expectOwnOrder(ran.filter((label) => label !== 'a7'));
  });
});

describe('batch requests', () => {
  test('never run while an interactive one waits, and take turns among themselves', async () => {
    await add('big', 0, 60, 'batch');
    await add('small', 0, 5, 'batch');
    await add('a', 0, 20);
    const ran = await runAll(95, async (label) => {
      if (label === 'big4') await add('late', 0, 10);
    });
    expect(ran.slice(0, 20).map(clientOf)).toEqual(Array.from({ length: 20 }, () => 'a'));
    const late = ran.findIndex((label) => clientOf(label) === 'late');
    // One that is in line already when they come may be taken meanwhile.
    expect(late).toBeLessThanOrEqual(ran.indexOf('big4') + 2);
    expect(ran.slice(late, late + 10).map(clientOf)).toEqual(Array.from({ length: 10 }, () => 'late'));
    const small = ran
      .filter((label) => ['big', 'small'].includes(clientOf(label)))
      .findLastIndex((label) => clientOf(label) === 'small');
    expect(small).toBeLessThanOrEqual(11);
    expectOwnOrder(ran);
  });

  test('leave places free for interactive ones where there are such, and use all where there are none', async () => {
    const most = async (interactive: boolean) => {
      let running = 0;
      let highest = 0;
      if (interactive) await add('a', 0, 1);
      const gate = Promise.withResolvers<void>();
      const done = Promise.withResolvers<void>();
      let left = 60;
      const consumer = await fixture.consume(
        async (payload) => {
          if (payload.lane === 'batch') {
            running += 1;
            highest = Math.max(highest, running);
            await gate.promise;
            running -= 1;
            left -= 1;
            if (left === 0) done.resolve();
          }
          return { value: toResult(payload, '') };
        },
        { concurrency: 10, globalConcurrency: 10 },
      );
      await add('big', 0, 60, 'batch');
      await expect.poll(() => running, { interval: 5, timeout: 10_000 }).toBe(interactive ? 8 : 10);
      gate.resolve();
      await done.promise;
      await consumer.close(1_000);
      return highest;
    };
    expect(await most(false)).toBe(10);
    expect(await most(true)).toBe(8);
  });

  test('that are cancelled while they wait for a place are gone', async () => {
    const payloads = Array.from({ length: 40 }, (_, number) => toPayload('big', number, 'batch'));
    for (const payload of payloads) await fixture.front.producer.addGeneration(payload);
    const last = payloads.at(-1)?.requestId ?? '';
    expect(await fixture.front.requests.readJob('openai', last)).toMatchObject({ status: 'queued', position: 40 });
    expect(await fixture.front.producer.cancel('openai', last)).toBe('removed');
    const ran = await runAll(39);
    expect(ran).not.toContain('big39');
  });
});

test('workers that sleep beside a line are woken, as one that took the wake-up may have got no job', async () => {
  const redis = fixture.redis.client();
  const marker = '{aimm}:openai:marker';
  const order = createFairOrder(redis);
  const isWoken = async () => {
    await redis.del(marker);
    await order.release('openai');
    return (await redis.exists(marker)) === 1;
  };
  expect(await isWoken()).toBe(false);
  await add('a', 0, 3);
  expect(await isWoken()).toBe(true);
  // No place is free: nobody could begin anything.
  await redis.hset('{aimm}:openai:meta', 'concurrency', '2');
  await redis.rpush('{aimm}:openai:active', 'one', 'two');
  expect(await isWoken()).toBe(false);
  await redis.del('{aimm}:openai:active');
  expect(await isWoken()).toBe(true);
  await redis.hset('{aimm}:openai:meta', 'paused', '1');
  expect(await isWoken()).toBe(false);
});
