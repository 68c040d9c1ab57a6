import { setTimeout as delay } from 'node:timers/promises';
import { toRequestBurst, toTokenBurst } from '@aimm/queue';
import { expect, test, vi } from 'vitest';
import { type AdmittedCall, watchAdmissions } from '../support/admission-log.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { readRunDelayMs } from '../support/run-delay.ts';
import { createRandom } from '../support/seeded-random.ts';

const requestsPerMinute = 600;
const tokensPerMinute = 30_000;
const quickPerMinute = 300;
const slowPerMinute = 120;
/** What such a short prompt has. */
const promptTokens = 15;
const isLong = process.env['FAULT_ROUNDS'] !== undefined;
/** With each number of workers. */
const auditedMs = isLong ? 20_000 : 4_500;
const crowds = [1, 2, 4];
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
 * more than was reserved for them nobody can know before they end.
 */
function findOvershoot(calls: readonly Spent[], perMinute: number, burst: number): number {
  const perMs = perMinute / 60_000;
  return Math.max(
    ...calls.flatMap((to, last) => {
      const unknown = calls
        .slice(0, last + 1)
        .filter(({ settledAt = Number.POSITIVE_INFINITY }) => settledAt >= to.at)
        .reduce((sum, { amount, reserved = amount }) => sum + Math.max(0, amount - reserved), 0);
      let amount = 0;
      return calls
        .slice(0, last + 1)
        .toReversed()
        .map((from) => (amount += from.amount) - unknown - burst - perMs * (to.at - from.at + resolutionMs));
    }),
  );
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
 * log must have the same calls, each after it was let in: what a busy machine makes of the time between is in no limit's hands.
 */
test(
  '1, 2 and 4 worker processes keep to the limits of providers and models in every window, and use at least 95 % of them',
  {
    timeout: 60_000 + crowds.length * auditedMs * 2,
  },
  async () => {
    const random = createRandom();
    const own = { kind: 'mistral', apiKeyVariables: ['MISTRAL_API_KEY'], concurrency: 40 };
    const stack = await createFaultStack({
      env: {
        MISTRAL_RPM: String(requestsPerMinute),
        BY_TOKENS_RPM: '',
        BY_TOKENS_BASE_URL: '',
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

    // More than can be called while it lasts, on a machine that takes twice as long to start workers.
    const lastsS = 30 + (crowds.length * auditedMs) / 1_000;
    const front = await stack.openFront();
    const counts = {
      'mistral/by-requests': (requestsPerMinute / 60) * lastsS,
      'by-tokens/by-tokens': (tokensPerMinute / 60 / 100) * lastsS,
      'by-model/quick': (quickPerMinute / 60) * lastsS,
      'by-model/slow': (slowPerMinute / 60) * lastsS,
      'by-model/free': 40,
    };
    const asked = await Promise.all(
      Object.entries(counts).flatMap(([model, count]) =>
        Array.from({ length: Math.round(count) }, () => stack.generate(front, 'one of many', { model })),
      ),
    );
    // Most are still waiting when the test ends, and nobody waits for them.
    for (const { result } of asked) result.catch(() => undefined);
    const requests = new Map(asked.map((request) => [request.requestId, request]));

    const log = await watchAdmissions(stack.redis.client());
    const spans: Span[] = [];
    const answered = (model: string) =>
      stack.upstream.calls.filter((call) => call.model === model && call.answeredAt !== undefined).length;
    for (const workers of crowds) {
      const endpoints = { BY_TOKENS_BASE_URL: stack.upstream.url, BY_MODEL_BASE_URL: stack.upstream.url };
      const missing = workers - stack.workers.length;
      await Promise.all(Array.from({ length: missing }, () => stack.startWorker(endpoints)));
      // What a first call loads takes longer than what is measured; and how long answers are is known once there were some.
      await stack.upstream.arrived(stack.upstream.calls.length + 15 * missing);
      await vi.waitUntil(() => answered('by-tokens') >= 20, { timeout: 15_000, interval: 20 });
      const endDelay = await measureDelay(stack);
      const from = log.calls.at(-1)?.at ?? 0;
      await vi.waitUntil(() => (log.calls.at(-1)?.at ?? 0) > from + auditedMs, {
        timeout: 2 * auditedMs,
        interval: 20,
      });
      spans.push({ from, to: from + auditedMs, delayMs: await endDelay() });
    }
    // Every call under way tells what it used.
    const lastAt = log.calls.at(-1)?.at ?? 0;
    const admitted = log.calls.filter(({ at }) => at <= lastAt);
    const promptOf = (jobId: string) => requests.get(jobId)?.prompt ?? '';
    await vi.waitUntil(() => admitted.every(({ jobId }) => used.has(promptOf(jobId))), {
      timeout: 10_000,
      interval: 20,
    });

    const of = (model: string, byTokens = false): Spent[] =>
      admitted
        .filter(({ jobId }) => requests.get(jobId)?.model === model)
        .map((call) => ({ ...call, amount: byTokens ? (used.get(promptOf(call.jobId)) ?? 0) : 1 }));
    const limits = [
      {
        name: 'requests',
        calls: of('by-requests'),
        perMinute: requestsPerMinute,
        burst: toRequestBurst(requestsPerMinute),
      },
      {
        name: 'tokens',
        calls: of('by-tokens', true),
        perMinute: tokensPerMinute,
        burst: toTokenBurst(tokensPerMinute),
      },
      { name: 'quick', calls: of('quick'), perMinute: quickPerMinute, burst: toRequestBurst(quickPerMinute) },
      { name: 'slow', calls: of('slow'), perMinute: slowPerMinute, burst: toRequestBurst(slowPerMinute) },
    ];
    const report = limits.map(({ name, calls, perMinute, burst }) => ({
      name,
      calls: calls.length,
      overshoot: findOvershoot(calls, perMinute, burst),
      used: spans.map((span) => findUse(calls, perMinute, burst, span)),
    }));
    for (const { name, calls, overshoot, used: shares } of report)
      process.stderr.write(
        `${name}: ${calls} calls, ${overshoot.toFixed(2)} over limit and burst at most, ` +
          `${shares.map((share, index) => `${(100 * share).toFixed(1)} % used with ${crowds[index]}`).join(', ')} workers\n`,
      );

    // The upstream's log and Redis' agree: each call that came was let in, once, and before it came.
    const admittedAt = new Map(log.calls.map(({ jobId, at }) => [promptOf(jobId), at]));
    const prompts = stack.upstream.calls.map(({ prompt }) => prompt);
    expect(new Set(prompts).size).toBe(prompts.length);
    const delays = stack.upstream.calls.map((call) => call.arrivedAt - (admittedAt.get(call.prompt) ?? Number.NaN));
    process.stderr.write(`kept from running: ${spans.map(({ delayMs }) => Math.round(delayMs)).join(', ')} ms\n`);
    process.stderr.write(`from admission to arrival: ${Math.max(...delays)} ms at most\n`);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(-1);

    for (const { name, overshoot } of report)
      expect({ name, overshoots: overshoot > 0 }).toEqual({ name, overshoots: false });
    for (const { name, used: shares } of report)
      for (const share of shares) expect({ name, isUsed: share >= 0.95, share }).toMatchObject({ name, isUsed: true });
    // What no limit concerns is not behind what waits for one.
    const slow = stack.upstream.calls.filter(({ model }) => model === 'slow');
    const free = stack.upstream.calls.filter(({ model }) => model === 'free');
    expect(free.length).toBe(40);
    expect(free.at(-1)?.arrivedAt).toBeLessThan(slow[Math.floor(slow.length / 2)]?.arrivedAt ?? 0);
  },
);
