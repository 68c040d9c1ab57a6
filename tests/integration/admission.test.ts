import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Checkpoint } from '@aimm/contracts';
import {
  createAdmission,
  createCheckpoints,
  createConsumer,
  type Handlers,
  type LimitScope,
  type Opened,
  toRequestBurst,
  toTokenBurst,
} from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { createRandom } from '../support/seeded-random.ts';

const started: Checkpoint = { calls: [], rows: [], stalledCount: 0 };

/** Jobs that nobody consumes: locked, and asked for by the test itself. */
function createAsker(redis: Redis) {
  const checkpoints = createCheckpoints(redis);
  const lock = async (queue = 'q') => {
    const handle = { queue, jobId: `job-${randomUUID()}`, token: randomUUID() };
    await redis
      .pipeline()
      .hset(`{aimm}:${queue}:${handle.jobId}`, 'name', 'generate')
      .set(`{aimm}:${queue}:${handle.jobId}:lock`, handle.token)
      .exec();
    return handle;
  };
  type Handle = Awaited<ReturnType<typeof lock>>;
  const ask = (handle: Handle, scopes: LimitScope[], tokens = 0, lane: 'interactive' | 'batch' = 'interactive') =>
    checkpoints.open(handle, started, { scopes, tokens, lane });
  return {
    lock,
    ask,
    /** Asks, and asks again when it was told to, until it is let in. */
    async enter(scopes: LimitScope[], tokens = 0, lane: 'interactive' | 'batch' = 'interactive') {
      const handle = await lock();
      for (let asked = 1; ; asked += 1) {
        const before = Date.now();
        const opened = await ask(handle, scopes, tokens, lane);
        if (opened.state === 'fresh') return { handle, before, after: Date.now(), tokens, asked };
        if (opened.state !== 'refused') throw new Error(`it was ${opened.state}`);
        await delay(opened.refusal.waitMs);
      }
    },
    end: (handle: Handle, scopes: LimitScope[], tokens?: number) =>
      checkpoints.save(handle, { checkpoint: started, ended: { scopes, tokens } }),
  };
}

/** Every instant that a scope knows lies so many microseconds (ARGV) ahead, as where the clock was set back by that. */
const aheadScript = `
local ahead = tonumber(ARGV[1])
for _, name in ipairs({'at', 'requests', 'tokens', 'hold', 'paceUntil', 'tokenPaceUntil'}) do
  if redis.call('HEXISTS', KEYS[1], name) == 1 then redis.call('HINCRBY', KEYS[1], name, ahead) end
end
local packed = redis.call('HGET', KEYS[1], 'tokenMarks')
if packed then
  local marks = cmsgpack.unpack(packed)
  for index = 1, #marks, 2 do marks[index] = marks[index] + ahead end
  redis.call('HSET', KEYS[1], 'tokenMarks', cmsgpack.pack(marks))
end`;

const toWaitMs = (opened: Opened) => (opened.state === 'refused' ? opened.refusal.waitMs : 0);

interface Entry {
  before: number;
  after: number;
  tokens: number;
}

/** The largest amount above `burst + rate × window` in any window between two entries; at most 0 when the limit held. */
function findOvershoot(entries: readonly Entry[], perMs: number, burst: number, amountOf: (entry: Entry) => number) {
  const sorted = entries.toSorted((a, b) => a.before - b.before);
  let worst = Number.NEGATIVE_INFINITY;
  for (let from = 0; from < sorted.length; from += 1) {
    let amount = 0;
    for (let to = from; to < sorted.length; to += 1) {
      amount += amountOf(sorted[to] as Entry);
      const windowMs = (sorted[to] as Entry).after - (sorted[from] as Entry).before;
      worst = Math.max(worst, amount - burst - perMs * windowMs);
    }
  }
  return worst;
}

describe('the limits of a call', () => {
  const random = createRandom();
  const connections: Redis[] = [];
  let redis: Redis;
  beforeAll(() => {
    for (let index = 0; index < 4; index += 1) connections.push(new Redis(inject('redisUrl')));
    redis = connections[0] as Redis;
  });
  afterAll(() => connections.forEach((connection) => connection.disconnect()));
  const scope = (limits: Partial<LimitScope>, kind: LimitScope['kind'] = 'provider'): LimitScope => ({
    kind,
    id: randomUUID(),
    ...limits,
  });

  test('hold requests in every window of every length, from several connections, and leave nothing unused', async () => {
    const perMinute = 6_000;
    const limit = scope({ requestsPerMinute: perMinute });
    const askers = connections.map(createAsker);
    const entries = await Promise.all(
      Array.from({ length: 300 }, (_, index) => (askers[index % 4] as (typeof askers)[0]).enter([limit])),
    );
    const times = entries.map(({ after }) => after);
    const tookMs = Math.max(...times) - Math.min(...times);
    const burst = toRequestBurst(perMinute);
    expect(findOvershoot(entries, perMinute / 60_000, burst, () => 1)).toBeLessThanOrEqual(0);
    expect((300 - burst) / tookMs / (perMinute / 60_000)).toBeGreaterThan(0.95);
    // Each was told its own turn: nobody asks over and over.
    expect(entries.reduce((sum, { asked }) => sum + asked, 0) / 300).toBeLessThan(5);
  });

  test('hold tokens in every window, for calls of any size, and count what was used in the end', async () => {
    const perMinute = 600_000;
    const limit = scope({ tokensPerMinute: perMinute });
    const burst = toTokenBurst(perMinute);
    const asker = createAsker(redis);
    const startedAt = Date.now();
    const entries = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const used = Math.round(random.between(500, 3_000));
        const entry = await asker.enter([limit], 2_500);
        await asker.end(entry.handle, [limit], used);
        return { ...entry, tokens: used };
      }),
    );
    const tookMs = Date.now() - startedAt;
    const sum = entries.reduce((total, { tokens }) => total + tokens, 0);
    // What is under way may turn out to use more than its estimate; it is a debt then.
    expect(findOvershoot(entries, perMinute / 60_000, burst, ({ tokens }) => tokens)).toBeLessThanOrEqual(500);
    expect(sum).toBeGreaterThan(burst / 2);
    expect(sum).toBeLessThanOrEqual(burst + (tookMs * perMinute) / 60_000 + 500);
  });

  test('let a call through that is larger than the burst when nothing else was used, and make the next ones wait for it', async () => {
    const limit = scope({ tokensPerMinute: 60_000 });
    const asker = createAsker(redis);
    const big = await asker.lock();
    expect((await asker.ask(big, [limit], 25_000)).state).toBe('fresh');
    const next = await asker.ask(await asker.lock(), [limit], 1_000);
    expect(next).toMatchObject({ state: 'refused', refusal: { reason: 'tokens', inPlace: false } });
    // 15,000 tokens of debt and 1,000 of its own, at 1,000 a second.
    expect(toWaitMs(next)).toBeGreaterThan(15_000);
    await asker.end(big, [limit], 100);
    expect((await asker.ask(await asker.lock(), [limit], 1_000)).state).toBe('fresh');
  });

  test('give nothing back of what a long call reserved once the limit was unused, and all of it while it was not', async () => {
    const perMinute = 600_000;
    const asker = createAsker(redis);
    const burst = toTokenBurst(perMinute);
    const reserve = async (pauseMs: number) => {
      const limit = scope({ tokensPerMinute: perMinute });
      const long = await asker.lock();
      await asker.ask(long, [limit], 3_000);
      // The time that 3,000 tokens stand for is 300 ms.
      await delay(pauseMs);
      await asker.ask(await asker.lock(), [limit], burst - (pauseMs === 0 ? 3_000 : 0));
      await asker.end(long, [limit], 0);
      return asker.ask(await asker.lock(), [limit], 2_000);
    };
    expect((await reserve(350)).state).toBe('refused');
    expect((await reserve(0)).state).toBe('fresh');
  });

  test('give back of what a call reserved what the limit could have kept until its end, to the microsecond', async () => {
    const perMs = 1_000;
    const asker = createAsker(redis);
    const limit = scope({ tokensPerMinute: perMs * 60_000 });
    const calls: { at: number; reserved: number; used: number }[] = [];
    const call = async () => {
      await delay(random.between(0, 1_500));
      const reserved = Math.round(random.between(1_000, 40_000));
      const used = Math.round(random.between(0, reserved));
      const handle = await asker.lock();
      expect((await asker.ask(handle, [limit], reserved)).state).toBe('fresh');
      const note = await redis.hget(`{aimm}:${handle.queue}:${handle.jobId}`, 'aimm:reserved');
      calls.push({ at: Number(note?.split(' ')[1]), reserved, used });
      await delay(random.between(0, 120));
      await asker.end(handle, [limit], used);
    };
    await Promise.all(Array.from({ length: 70 }, call));

    // The clock of tokens as it had gone if each had reserved what it used: one unit is a token's time in microseconds.
    const replay = (toTokens: (each: (typeof calls)[0]) => number) =>
      calls
        .toSorted((a, b) => a.at - b.at)
        .reduce((clock, each) => Math.max(clock, each.at) + (toTokens(each) * 1_000) / perMs, 0);
    const [key = ''] = await redis.keys(`*${limit.id}*`);
    const clock = Number(await redis.hget(key, 'tokens'));
    const last = Math.max(...calls.map(({ at }) => at));
    expect(clock).toBeLessThan(replay(({ reserved }) => reserved));
    // Where the limit has been unused since, there is nothing to be told apart.
    expect(
      Math.max(clock, last) -
        Math.max(
          replay(({ used }) => used),
          last,
        ),
    ).toBe(0);
  });

  test('give a call’s reservation back no further than the limit would have been unused', async () => {
    const perMinute = 600_000;
    const asker = createAsker(redis);
    const limit = scope({ tokensPerMinute: perMinute });
    const long = await asker.lock();
    await asker.ask(long, [limit], 3_000);
    // All but 50 of the 300 ms that 3,000 tokens stand for.
    await delay(250);
    await asker.ask(await asker.lock(), [limit], toTokenBurst(perMinute) - 500);
    await asker.end(long, [limit], 0);
    expect((await asker.ask(await asker.lock(), [limit], 400)).state).toBe('fresh');
    expect((await asker.ask(await asker.lock(), [limit], 2_000)).state).toBe('refused');
  });

  test('settle a call once, however often its end is written', async () => {
    const limit = scope({ tokensPerMinute: 60_000 });
    const asker = createAsker(redis);
    const handle = await asker.lock();
    await asker.ask(handle, [limit], 10_000);
    await asker.end(handle, [limit], 9_000);
    await asker.end(handle, [limit], 0);
    expect((await asker.ask(await asker.lock(), [limit], 5_000)).state).toBe('refused');
  });

  test('admit in all scopes or in none', async () => {
    const provider = scope({ requestsPerMinute: 60 });
    const model = scope({ requestsPerMinute: 1 }, 'model');
    const asker = createAsker(redis);
    await asker.ask(await asker.lock(), [model]);
    // Refused by the model: the provider's one request must still be there.
    expect(await asker.ask(await asker.lock(), [provider, model])).toMatchObject({
      state: 'refused',
      refusal: { scope: { kind: 'model' }, reason: 'requests' },
    });
    expect((await asker.ask(await asker.lock(), [provider])).state).toBe('fresh');
  });

  test('let no more calls run at once than they may, and take the same job as itself', async () => {
    const model = scope({ concurrency: 2 }, 'model');
    const asker = createAsker(redis);
    const [first, second, third] = [await asker.lock(), await asker.lock(), await asker.lock()];
    expect((await asker.ask(first, [model])).state).toBe('fresh');
    expect((await asker.ask(second, [model])).state).toBe('fresh');
    expect(await asker.ask(third, [model])).toMatchObject({ refusal: { reason: 'concurrency', inPlace: false } });
    expect((await asker.ask(second, [model])).state).toBe('fresh');
    await asker.end(first, [model]);
    expect((await asker.ask(third, [model])).state).toBe('fresh');
  });

  test('tell interactive jobs a turn before all batch jobs that wait', async () => {
    const model = scope({ requestsPerMinute: 60 }, 'model');
    const asker = createAsker(redis);
    await asker.ask(await asker.lock(), [model]);
    const waits: number[] = [];
    for (const lane of ['batch', 'batch', 'interactive', 'interactive'] as const) {
      const opened = await asker.ask(await asker.lock(), [model], 0, lane);
      waits.push(Math.round(toWaitMs(opened) / 1_000));
    }
    expect(waits).toEqual([1, 2, 1, 2]);
  });

  test('keep a hold and a debt of tokens of hours for hours, whoever is refused meanwhile', async () => {
    const hoursMs = 5 * 3_600_000;
    const asker = createAsker(redis);
    const held = scope({ requestsPerMinute: 60 }, 'model');
    await createAdmission(redis).hold(held, 'q', hoursMs);
    await asker.ask(await asker.lock(), [held]);
    expect(await redis.pttl(`{aimm}:limit:m:${held.id}`)).toBeGreaterThan(hoursMs);

    const perMinute = 600;
    const indebted = scope({ tokensPerMinute: perMinute }, 'model');
    const { handle } = await asker.enter([indebted], 1);
    await asker.end(handle, [indebted], (hoursMs / 60_000) * perMinute);
    await asker.ask(await asker.lock(), [indebted], 1);
    expect(await redis.pttl(`{aimm}:limit:m:${indebted.id}`)).toBeGreaterThan(hoursMs);
  });

  test.each([
    ['requests', { requestsPerMinute: 6_000 }, 0, 0],
    ['tokens', { tokensPerMinute: 600_000 }, 3_000, 0],
    ['a pause that was asked for', {}, 0, 300],
  ])(
    'let calls start once the clock of Redis was set back, as many as ever: %s',
    async (_name, limits, tokens, holdMs) => {
      const limit = scope(limits);
      const asker = createAsker(redis);
      const admission = createAdmission(redis);
      const setBack = () => redis.eval(aheadScript, 1, `{aimm}:limit:p:${limit.id}`, 3_600_000_000);
      const enterSeveral = async () => {
        const startedAt = performance.now();
        for (let calls = 0; calls < 5; calls += 1) await asker.enter([limit], tokens);
        expect(performance.now() - startedAt).toBeLessThan(5_000);
      };
      const { handle } = await asker.enter([limit], tokens);
      if (holdMs > 0) await admission.hold(limit, 'q', holdMs);
      await setBack();
      await enterSeveral();
      await asker.end(handle, [limit], 0);
      // A pause of after that counts from then on.
      await setBack();
      await admission.hold(limit, 'q', 400);
      expect(toWaitMs(await asker.ask(await asker.lock(), [limit], tokens))).toBeGreaterThan(300);
      await enterSeveral();
    },
  );

  test('keep a longer hold when a shorter one follows', async () => {
    const model = scope({}, 'model');
    const asker = createAsker(redis);
    const admission = createAdmission(redis);
    await admission.hold(model, 'q', 60_000);
    await admission.hold(model, 'q', 1_000);
    const opened = await asker.ask(await asker.lock(), [model]);
    expect(opened).toMatchObject({ state: 'refused', refusal: { reason: 'hold' } });
    expect(toWaitMs(opened)).toBeGreaterThan(29_000);
  });

  test('slow down to the pace that a vendor asks for, and go back to their own', async () => {
    const model = scope({ requestsPerMinute: 6_000 }, 'model');
    const asker = createAsker(redis);
    const admission = createAdmission(redis);
    await admission.pace(model, { requests: { everyUs: 2_000_000, forMs: 10_000 } });
    expect((await asker.ask(await asker.lock(), [model])).state).toBe('fresh');
    const second = await asker.ask(await asker.lock(), [model]);
    expect(toWaitMs(second)).toBeGreaterThan(1_900);
    await admission.pace(model, { requests: { everyUs: 0, forMs: 0 } });
    const third = await asker.ask(await asker.lock(), [model]);
    // The call at the slow pace still counts as two seconds' worth; the burst is its own again.
    expect(toWaitMs(third)).toBeLessThan(1_100);
  });

  test('slow down to that pace beside a consumer on the same connection, as every worker has one', async () => {
    const model = scope({ requestsPerMinute: 6_000 }, 'model');
    const asker = createAsker(redis);
    const admission = createAdmission(redis);
    const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
    // It is given no queue: none of them is ever called.
    const consumer = createConsumer({ redis, handlers: {} as Handlers, logger, lockMs: 30_000 });
    onTestFinished(() => consumer.close(0));
    await admission.pace(model, { requests: { everyUs: 2_000_000, forMs: 10_000 } });
    await asker.enter([model]);
    expect(toWaitMs(await asker.ask(await asker.lock(), [model]))).toBeGreaterThan(1_900);
  });
});
