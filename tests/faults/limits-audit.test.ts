import { setTimeout as delay } from 'node:timers/promises';
import { toRequestBurst, toTokenBurst } from '@aimm/queue';
import type { Caller } from '@aimm/manager';
import { expect, test, vi } from 'vitest';
import { type AdmittedCall, watchAdmissions } from '../support/admission-log.ts';
import { caller } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { readRunDelayMs } from '../support/run-delay.ts';
import { createRandom } from '../support/seeded-random.ts';

const requestsPerMinute = 600;
const tokensPerMinute = 30_000;
const quickPerMinute = 300;
const slowPerMinute = 120;
/** Of an access token, wherever its calls are made. */
const clientPerMinute = 180;
const clientTokensPerMinute = 18_000;
/** Who asks with a limit of its own, by the model it asks. */
const limited: Readonly<Record<string, Caller>> = {
  'by-client/client': { client: 'of-requests', admin: false, limits: { requestsPerMinute: clientPerMinute } },
  'by-client/client-tokens': { client: 'of-tokens', admin: false, limits: { tokensPerMinute: clientTokensPerMinute } },
};
/** Half of the calls are at the vendor so soon after they were let in: no worker gathers them to send them in one heap. */
const typicallyLateMs = 500;
/** What such a short prompt has. */
const promptTokens = 15;
const isLong = process.env['FAULT_ROUNDS'] !== undefined;
/** With each number of workers. */
const auditedMs = isLong ? 20_000 : 4_500;
const crowds = [1, 2, 4];
/** Time and again a busy machine does nothing for a second or two: one span may be spoilt. */
const mostSpans = 2;
/** However busy the machine is, no larger part of the time is put down to that. */
const mostExcused = 0.2;
/** Redis' clock is read in whole milliseconds, at both ends of a window. */
const resolutionMs = 2;

/** A time in which work waited. `delayMs`: for so much of it the machine was busy with something else. */
interface Span {
  from: number;
  to: number;
  delayMs: number;
}

interface Spent extends AdmittedCall {
  amount: number;
}

/**
 * How far any window of any length went above the limit: from each call to each later one. What calls under way at its end use
 * more than was reserved for them nobody can know before they end. `lateMs`: so long after the decision the times may be.
 */
function findOvershoot(calls: readonly Spent[], perMinute: number, burst: number, lateMs = 0): number {
  const perMs = perMinute / 60_000;
  let most = Number.NEGATIVE_INFINITY;
  calls.forEach((to, last) => {
    const window = calls.slice(0, last + 1);
    const unknown = window
      .filter(({ settledAt = Number.POSITIVE_INFINITY }) => settledAt >= to.at - lateMs)
      .reduce((sum, { amount, reserved = amount }) => sum + Math.max(0, amount - reserved), 0);
    let amount = 0;
    for (const from of window.toReversed()) {
      amount += from.amount;
      most = Math.max(most, amount - unknown - burst - perMs * (to.at - from.at + lateMs + resolutionMs));
    }
  });
  return most;
}

/**
 * What part of the limit was used in a span in which work waited. A limit of so much a minute fills a bucket of the burst's size: what runs over,
 * as nobody took it in time, is what was not used. Nobody can take what comes while the machine is somebody else's.
 */
function findUse(calls: readonly Spent[], perMinute: number, burst: number, { from, to, delayMs }: Span): number {
  const perMs = perMinute / 60_000;
  let filled = burst;
  let at = calls[0]?.at ?? 0;
  let lostMs = 0;
  const pour = (until: number, isAudited: boolean) => {
    filled += perMs * Math.max(0, until - at);
    if (isAudited) lostMs += Math.max(0, filled - burst) / perMs;
    filled = Math.min(burst, filled);
    at = Math.max(at, until);
  };
  for (const call of calls.filter(({ at: when }) => when <= to)) {
    pour(Math.min(call.at, Math.max(at, from)), false);
    pour(call.at, call.at > from);
    filled -= call.amount;
  }
  pour(Math.max(at, from), false);
  pour(to, true);
  const excusedMs = Math.min(delayMs, mostExcused * (to - from));
  return 1 - Math.max(0, lostMs - excusedMs) / (to - from);
}

/** How long the least hindered worker was kept from running, and Redis, without which none does anything. */
async function measureDelay({ workers, redis }: FaultStack): Promise<() => Promise<number>> {
  const redisPid = Number(/process_id:(\d+)/.exec(await redis.client().info('server'))?.[1] ?? 0);
  const pids = [redisPid, ...workers.map(({ pid }) => pid ?? 0)];
  const before = await Promise.all(pids.map(readRunDelayMs));
  return async () => {
    const after = await Promise.all(pids.map(readRunDelayMs));
    const [ofRedis = 0, ...ofWorkers] = after.map((delayMs, index) => delayMs - (before[index] ?? 0));
    return ofRedis + Math.min(...ofWorkers);
  };
}

/**
 * Limits are kept where they are decided, in Redis, so that is what is audited exactly: limit and burst, no tolerance. The upstream's own
 * log must have the same calls, each after it was let in, and no more of them in any window than that limit's came late at most: what a
 * busy machine makes of the time between is in no limit's hands, but that most come at once is.
 */
test(
  '1, 2 and 4 worker processes keep to the limits of providers, models and clients in every window, and use at least 95 % of them',
  {
    timeout: 120_000 + crowds.length * auditedMs * mostSpans,
  },
  async () => {
    const random = createRandom();
    const own = { kind: 'mistral', apiKeyVariables: ['MISTRAL_API_KEY'], concurrency: 40 };
    const stack = await createFaultStack({
      env: {
        MISTRAL_RPM: String(requestsPerMinute),
        BY_TOKENS_RPM: '',
        BY_TOKENS_BASE_URL: '',
        BY_CLIENT_RPM: '',
        // Nobody is killed here: no worker is to lose a job for being slow.
        AIMM_LOCK_SECONDS: '30',
      },
      change(file) {
        file.providers.push(
          { ...own, id: 'by-tokens', baseUrl: 'http://127.0.0.1:1', tokensPerMinute },
          {
            ...own,
            id: 'by-model',
            baseUrl: 'http://127.0.0.1:1',
            models: { quick: { requestsPerMinute: quickPerMinute }, slow: { requestsPerMinute: slowPerMinute } },
          },
          { ...own, id: 'by-client', baseUrl: 'http://127.0.0.1:1' },
        );
      },
    });
    const used = new Map<string, number>();
    stack.upstream.behave(async (call, { finish }) => {
      const completionTokens = Math.round(random.between(60, 140));
      used.set(call.prompt, promptTokens + completionTokens);
      await delay(random.between(5, 400));
      finish({ text: 'done', promptTokens, completionTokens });
    });

    // As the local stack's Redis runs, nobody is killed here: what is measured is not how long a busy disk takes for each write.
    await stack.redis.client().config('SET', 'appendfsync', 'everysec');
    // Before anybody else speaks to Redis: its client takes what comes at the same moment for its answer.
    const log = await watchAdmissions(stack.redis.client());
    const front = await stack.openFront();
    const requests = new Map<string, { model: string; prompt: string }>();
    /** What the front could not queue within its two seconds is asked again: it is not what is measured. */
    const askOnce = (model: string, tries = 5): ReturnType<typeof stack.generate> =>
      stack
        .generate(front, 'one of many', { model }, { as: limited[model] ?? caller })
        .catch((error: unknown) => (tries > 1 ? askOnce(model, tries - 1) : Promise.reject(error as Error)));
    const ask = async (models: Record<string, number>) => {
      const names = Object.entries(models).flatMap(([model, count]) => Array<string>(Math.ceil(count)).fill(model));
      // A few at a time: a busy machine's Redis is to answer within the front's patience.
      for (let next = 0; next < names.length; next += 20) {
        const asked = names.slice(next, next + 20).map((model) => askOnce(model));
        for (const request of await Promise.all(asked)) {
          requests.set(request.requestId, request);
          // Most are still waiting when the test ends, and nobody waits for them.
          request.result.catch(() => undefined);
        }
      }
    };
    const perSecond = {
      'mistral/by-requests': requestsPerMinute / 60,
      'by-tokens/by-tokens': tokensPerMinute / 60 / 100,
      'by-model/quick': quickPerMinute / 60,
      'by-model/slow': slowPerMinute / 60,
      'by-client/client': clientPerMinute / 60,
      'by-client/client-tokens': clientTokensPerMinute / 60 / 100,
    };
    /** So many seconds' worth of calls wait for each limit, however long it took to get here. */
    const keepWaiting = async (seconds: number) => {
      const begun = new Set(log.calls.map(({ jobId }) => jobId));
      const waiting = [...requests].filter(([requestId]) => !begun.has(requestId)).map(([, { model }]) => model);
      const missing = Object.entries(perSecond).map(([name, rate]) => {
        const model = name.slice(name.indexOf('/') + 1);
        return [name, Math.max(0, rate * seconds - waiting.filter((each) => each === model).length)] as const;
      });
      await ask(Object.fromEntries(missing));
    };
    await keepWaiting(20);
    await ask({ 'by-model/free': 40 });

    const promptOf = (jobId: string) => requests.get(jobId)?.prompt ?? '';
    const readLimits = (admitted: readonly AdmittedCall[]) => {
      const of = (model: string, toAmount: (call: AdmittedCall) => number): Spent[] =>
        admitted
          .filter(({ jobId }) => requests.get(jobId)?.model === model)
          .map((call) => ({ ...call, amount: toAmount(call) }));
      const one = () => 1;
      const toTokens = ({ jobId, reserved = 0 }: AdmittedCall) => used.get(promptOf(jobId)) ?? reserved;
      return [
        { name: 'requests', calls: of('by-requests', one), perMinute: requestsPerMinute, toBurst: toRequestBurst },
        { name: 'tokens', calls: of('by-tokens', toTokens), perMinute: tokensPerMinute, toBurst: toTokenBurst },
        { name: 'quick', calls: of('quick', one), perMinute: quickPerMinute, toBurst: toRequestBurst },
        { name: 'slow', calls: of('slow', one), perMinute: slowPerMinute, toBurst: toRequestBurst },
        { name: 'client', calls: of('client', one), perMinute: clientPerMinute, toBurst: toRequestBurst },
        {
          name: "client's tokens",
          calls: of('client-tokens', toTokens),
          perMinute: clientTokensPerMinute,
          toBurst: toTokenBurst,
        },
      ].map(({ toBurst, ...limit }) => ({ ...limit, burst: toBurst(limit.perMinute) }));
    };
    const findUses = (span: Span) =>
      readLimits(log.calls).map(({ name, calls, perMinute, burst }) => ({
        name,
        used: findUse(calls, perMinute, burst, span),
      }));
    const answered = (model: string) =>
      stack.upstream.calls.filter((call) => call.model === model && call.answeredAt !== undefined).length;
    const uses: ReturnType<typeof findUses>[] = [];
    for (const workers of crowds) {
      const endpoints = Object.fromEntries(
        ['TOKENS', 'MODEL', 'CLIENT'].map((by) => [`BY_${by}_BASE_URL`, stack.upstream.url]),
      );
      const missing = workers - stack.workers.length;
      await Promise.all(Array.from({ length: missing }, () => stack.startWorker(endpoints)));
      await keepWaiting(15);
      // What a first call loads takes longer than what is measured; and how long answers are is known once there were some.
      await stack.upstream.arrived(stack.upstream.calls.length + 15 * missing);
      await vi.waitUntil(() => answered('by-tokens') >= 20, { timeout: 30_000, interval: 20 });
      // A machine that is somebody else's for seconds spoils a span: the limits must be used in the next.
      for (let spans = 1; ; spans += 1) {
        await keepWaiting((3 * auditedMs) / 1_000);
        const endDelay = await measureDelay(stack);
        const from = log.calls.at(-1)?.at ?? 0;
        await vi.waitUntil(() => (log.calls.at(-1)?.at ?? 0) > from + auditedMs, { timeout: 20_000, interval: 20 });
        const found = findUses({ from, to: from + auditedMs, delayMs: await endDelay() });
        process.stderr.write(
          `${workers} workers: ${found.map((each) => `${each.name} ${(100 * each.used).toFixed(1)} %`).join(', ')} used\n`,
        );
        const isUsed = found.every((each) => each.used >= 0.95);
        if (isUsed || spans === mostSpans) uses.push(found);
        if (isUsed || spans === mostSpans) break;
      }
    }
    // Every call under way tells what it used.
    const lastAt = log.calls.at(-1)?.at ?? 0;
    const admitted = log.calls.filter(({ at }) => at <= lastAt);
    await vi.waitUntil(() => admitted.every(({ jobId }) => used.has(promptOf(jobId))), {
      timeout: 30_000,
      interval: 20,
    });
    const report = readLimits(admitted).map(({ name, calls, perMinute, burst }) => {
      const overshoot = findOvershoot(calls, perMinute, burst);
      process.stderr.write(`${name}: ${calls.length} calls, at most ${overshoot.toFixed(2)} above limit and burst\n`);
      return { name, overshoot };
    });

    // The upstream's log and Redis' agree: each call that came was let in, once, and before it came.
    const admittedAt = new Map(log.calls.map(({ jobId, at }) => [promptOf(jobId), at]));
    const prompts = stack.upstream.calls.map(({ prompt }) => prompt);
    expect(new Set(prompts).size).toBe(prompts.length);
    const delays = stack.upstream.calls.map((call) => call.arrivedAt - (admittedAt.get(call.prompt) ?? Number.NaN));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(-1);
    const arrivedAt = new Map(stack.upstream.calls.map((call) => [call.prompt, call.arrivedAt]));
    const arrived = admitted
      .flatMap((call) => {
        const at = arrivedAt.get(promptOf(call.jobId));
        return at === undefined ? [] : [{ ...call, at, lateMs: at - call.at }];
      })
      .toSorted((a, b) => a.at - b.at);
    const lateBy = new Map(arrived.map(({ jobId, lateMs }) => [jobId, lateMs]));
    for (const { name, calls, perMinute, burst } of readLimits(arrived)) {
      const late = calls.map(({ jobId }) => lateBy.get(jobId) ?? 0).toSorted((a, b) => a - b);
      const [typicalMs = 0, mostMs = 0] = [late[Math.floor(late.length / 2)], late.at(-1)];
      const overshoot = findOvershoot(calls, perMinute, burst, mostMs);
      process.stderr.write(
        `${name} at the upstream: ${typicalMs.toFixed(0)} ms after admission, ${mostMs.toFixed(0)} at most; ${overshoot.toFixed(2)} above what may come that late\n`,
      );
      expect({ name, overshoots: overshoot > 0 }).toEqual({ name, overshoots: false });
      expect({ name, isTypicallyLate: typicalMs > typicallyLateMs }).toEqual({ name, isTypicallyLate: false });
    }

    for (const { name, overshoot } of report)
      expect({ name, overshoots: overshoot > 0 }).toEqual({ name, overshoots: false });
    for (const { name, used: share } of uses.flat())
      expect({ name, isUsed: share >= 0.95, share }).toMatchObject({ name, isUsed: true });
    // What no limit concerns is not behind what waits for one.
    const slow = stack.upstream.calls.filter(({ model }) => model === 'slow');
    const free = stack.upstream.calls.filter(({ model }) => model === 'free');
    expect(free.length).toBe(40);
    expect(free.at(-1)?.arrivedAt).toBeLessThan(slow[Math.floor(slow.length / 2)]?.arrivedAt ?? 0);
  },
);
