import { setTimeout as delay } from 'node:timers/promises';
import { createQueueDirectory, toRequestBurst, toTokenBurst } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { describe, expect, test } from 'vitest';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { createRandom } from '../support/seeded-random.ts';
import type { UpstreamCall } from '../support/upstream.ts';

const requestsPerMinute = 600;
const tokensPerMinute = 30_000;
const quickPerMinute = 300;
const slowPerMinute = 120;
/** What such a short prompt has. */
const promptTokens = 15;
/** From a worker's admission to the upstream's log: two event loops on a machine that others use too. */
const jitterMs = 150;
const auditedMs = 6_000;

/** What the upstream's own log says: how far any window of any length went above the limit, and how much of it was used. */
function audit(
  calls: readonly UpstreamCall[],
  perMinute: number,
  burst: number,
  amountOf = (_call: UpstreamCall) => 1,
) {
  const perMs = perMinute / 60_000;
  const first = calls[0]?.arrivedAt ?? 0;
  let overshoot = Number.NEGATIVE_INFINITY;
  calls.forEach((from, index) => {
    let amount = 0;
    for (const to of calls.slice(index)) {
      amount += amountOf(to);
      overshoot = Math.max(overshoot, amount - burst - perMs * (to.arrivedAt - from.arrivedAt + jitterMs));
    }
  });
  const within = calls.filter(({ arrivedAt }) => arrivedAt <= first + auditedMs);
  // From the first to the last, whose own share comes after it.
  const amount = within.slice(0, -1).reduce((sum, call) => sum + amountOf(call), 0);
  const tookMs = (within.at(-1)?.arrivedAt ?? 0) - first;
  // Work must have gone on to the end: a slot or two may fall behind it.
  const lasted = tookMs > 0.85 * auditedMs;
  return { overshoot, used: lasted ? (amount - burst + 1) / (perMs * tookMs) : 0 };
}

/** Adds the jobs while nobody may take them: the upstream's log is kept in this process, and is not to be held up by that. */
async function askAll(stack: FaultStack, models: Record<string, number>): Promise<void> {
  const redis = stack.redis.client();
  const names = [...new Set(Object.keys(models).map((model) => model.split('/')[0] ?? ''))];
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const directory = createQueueDirectory(redis, names, logger);
  const queues = directory.queues.filter(({ name }) => names.includes(name));
  await Promise.all(queues.map((queue) => queue.pause()));
  const front = await stack.openFront();
  const asked = Object.entries(models).flatMap(([model, count]) =>
    Array.from({ length: count }, () => stack.generate(front, 'one of many', { model })),
  );
  // Most are still waiting when the test ends, and nobody waits for them.
  for (const { result } of await Promise.all(asked)) result.catch(() => undefined);
  await Promise.all(queues.map((queue) => queue.resume()));
  await directory.close();
}

/** Every worker has made a call: what a first one loads takes longer than what is measured. */
async function warmUp(stack: FaultStack): Promise<void> {
  const front = await stack.openFront();
  const count = 12 * stack.workers.length;
  const asked = Array.from({ length: count }, () => stack.generate(front, 'warm up', { model: 'by-model/warm' }));
  await Promise.all((await Promise.all(asked)).map(({ result }) => result));
}

describe.each([1, 2, 4])('%i worker processes', (workers) => {
  const random = createRandom();

  // It measures time: a machine that is busy with something else may spoil one measurement, not each.
  const again = { retry: 1 };
  test('keep to the limits of providers and models in every window, and use at least 95 % of them', again, async () => {
    const own = { kind: 'mistral', apiKeyVariables: ['MISTRAL_API_KEY'], concurrency: 40 };
    const stack = await createFaultStack({
      env: { MISTRAL_RPM: String(requestsPerMinute), BY_TOKENS_RPM: '', BY_TOKENS_BASE_URL: '' },
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
    const used = new Map<number, number>();
    stack.upstream.behave(async (call, { finish }) => {
      const completionTokens = Math.round(random.between(60, 140));
      used.set(call.number, promptTokens + completionTokens);
      await delay(random.between(5, 400));
      finish({ text: 'done', promptTokens, completionTokens });
    });
    const endpoints = { BY_TOKENS_BASE_URL: stack.upstream.url, BY_MODEL_BASE_URL: stack.upstream.url };
    await Promise.all(Array.from({ length: workers }, () => stack.startWorker(endpoints)));
    await warmUp(stack);
    const warm = stack.upstream.calls.length;
    await askAll(stack, {
      'mistral/by-requests': 90,
      'by-tokens/by-tokens': 100,
      'by-model/quick': 60,
      'by-model/slow': 40,
      'by-model/free': 40,
    });
    const askedAt = Date.now();
    await stack.upstream.arrived(warm + 1);
    const firstAt = stack.upstream.calls[warm]?.arrivedAt ?? 0;
    // The last of 40 free calls is not behind those of the limited models, which wait for half a minute.
    await delay(firstAt + auditedMs + 800 - Date.now());
    const of = (model: string) => stack.upstream.calls.filter((call) => call.model === model);
    expect(of('free').length).toBe(40);
    expect((of('free').at(-1)?.arrivedAt ?? 0) - askedAt).toBeLessThan(4_000);

    const report = {
      requests: audit(of('by-requests'), requestsPerMinute, toRequestBurst(requestsPerMinute)),
      tokens: audit(
        of('by-tokens'),
        tokensPerMinute,
        toTokenBurst(tokensPerMinute),
        ({ number }) => used.get(number) ?? 0,
      ),
      quick: audit(of('quick'), quickPerMinute, toRequestBurst(quickPerMinute)),
      slow: audit(of('slow'), slowPerMinute, toRequestBurst(slowPerMinute)),
    };
    process.stderr.write(`${workers} workers: ${JSON.stringify(report)}\n`);
    expect(report.requests.overshoot).toBeLessThanOrEqual(0);
    expect(report.quick.overshoot).toBeLessThanOrEqual(0);
    expect(report.slow.overshoot).toBeLessThanOrEqual(0);
    // Calls under way may use 40 tokens more than was expected of them; what they did use is settled.
    expect(report.tokens.overshoot).toBeLessThanOrEqual(20 * 40);
    for (const { used: share } of Object.values(report)) expect(share).toBeGreaterThanOrEqual(0.95);
  });
});
