import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import type { Behaviour, UpstreamCall } from '../support/upstream.ts';

const model = 'mistral/mistral-small-latest';

/** How many calls were under way at once, by whatever they have in common. */
function countMost(calls: readonly UpstreamCall[]): number {
  const edges = calls
    .flatMap(({ arrivedAt, answeredAt, abortedAt }) => [
      { at: arrivedAt, step: 1 },
      { at: answeredAt ?? abortedAt ?? Number.POSITIVE_INFINITY, step: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.step - b.step);
  let now = 0;
  let most = 0;
  for (const { step } of edges) most = Math.max(most, (now += step));
  return most;
}

const tooMany = { message: 'Requests rate limit exceeded', code: '1300' };
const retryInfo = {
  error: {
    code: 429,
    message: 'Resource has been exhausted',
    status: 'RESOURCE_EXHAUSTED',
    details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.2s' }],
  },
};

describe('a provider that asks to wait', () => {
  test('is left in peace by all workers for as long as it says, in whatever form it says so', async () => {
    const forms: { form: string; headers: () => Record<string, string>; body: object; atLeastMs: number }[] = [
      { form: 'seconds', headers: () => ({ 'retry-after': '1' }), body: tooMany, atLeastMs: 1_000 },
      {
        form: 'an HTTP date',
        headers: () => ({ 'retry-after': new Date(Date.now() + 2_000).toUTCString() }),
        body: tooMany,
        // Dates are of whole seconds.
        atLeastMs: 900,
      },
      { form: 'milliseconds', headers: () => ({ 'retry-after-ms': '1300' }), body: tooMany, atLeastMs: 1_300 },
      { form: "Gemini's RetryInfo", headers: () => ({}), body: retryInfo, atLeastMs: 1_200 },
      { form: 'nothing at all', headers: () => ({}), body: tooMany, atLeastMs: 5_000 },
    ];
    const stack = await createFaultStack({ provider: { attempts: 1, cooldown: false } });
    await Promise.all([stack.startWorker(), stack.startWorker()]);
    const front = await stack.openFront();
    for (const { form, headers, body, atLeastMs } of forms) {
      const before = stack.upstream.calls.length;
      stack.upstream.behave((call, { fail, finish }) =>
        call.number === before + 1 ? fail(429, body, headers()) : finish({ text: 'at last' }),
      );
      const first = await stack.generate(front, 'refused once', {}, { stream: true });
      await vi.waitUntil(() => first.events.some(({ type }) => type === 'waiting'), 10_000);
      const others = await Promise.all([1, 2, 3].map((index) => stack.generate(front, `behind it ${index}`)));
      // One attempt, and yet it comes through: a pause costs none.
      expect({ form, text: (await first.result).text }).toEqual({ form, text: 'at last' });
      await Promise.all(others.map(({ result }) => result));
      const [refusal, next] = stack.upstream.calls.slice(before);
      const waitedMs = (next?.arrivedAt ?? 0) - (refusal?.arrivedAt ?? 0);
      const isLongEnough = (ms: number) => ms >= atLeastMs - 20;
      expect({ form, waitedMs }).toEqual({ form, waitedMs: expect.toSatisfy(isLongEnough) });
    }
  });

  test('is not asked earlier when a shorter pause follows a longer one; one longer than a request may wait is told to it at once', async () => {
    const stack = await createFaultStack();
    let refused = 0;
    stack.upstream.behave(async (call, { fail, finish, held }) => {
      if (refused === 2) return finish({ text: 'open again' });
      if (call.number === 1) {
        await held;
        refused += 1;
        return fail(429, tooMany, { 'retry-after': '3' });
      }
      await held;
      refused += 1;
      fail(429, tooMany, { 'retry-after': '1' });
    });
    await stack.startWorker();
    const front = await stack.openFront();
    const asked = [await stack.generate(front, 'three seconds'), await stack.generate(front, 'one second')];
    await stack.upstream.arrived(2);
    const startedAt = Date.now();
    stack.upstream.release();
    await Promise.all(asked.map(({ result }) => result));
    expect((stack.upstream.calls[2]?.arrivedAt ?? 0) - startedAt).toBeGreaterThanOrEqual(2_950);

    stack.upstream.behave((_call, { fail }) => fail(429, tooMany, { 'retry-after': '600' }));
    const hurriedAt = Date.now();
    const { result } = await stack.generate(front, 'in a hurry', { maxWaitMs: 60_000 });
    await expect(result).rejects.toMatchObject({ code: 'rate_limited' });
    expect(Date.now() - hurriedAt).toBeLessThan(20_000);
  });

  test('is left in peace also where the one that was told so would not wait', async () => {
    const stack = await createFaultStack();
    stack.upstream.behave((call, { fail, finish }) =>
      call.number === 1 ? fail(429, tooMany, { 'retry-after': '5' }) : finish({ text: 'open again' }),
    );
    await stack.startWorker();
    const front = await stack.openFront();
    const { result } = await stack.generate(front, 'would not wait', { maxWaitMs: 4_500 });
    await expect(result).rejects.toMatchObject({ code: 'rate_limited' });
    const next = await stack.generate(front, 'has time');
    expect((await next.result).text).toBe('open again');
    const [refusal, call] = stack.upstream.calls;
    expect((call?.arrivedAt ?? 0) - (refusal?.arrivedAt ?? 0)).toBeGreaterThanOrEqual(4_950);
  });

  test('for one of its models only is asked for the others meanwhile; and more slowly once its headers say that little is left', async () => {
    const stack = await createFaultStack();
    stack.upstream.behave((call, { fail, finish }) => {
      if (call.number > 1) return finish({ text: 'here' });
      fail(429, { message: `Rate limit reached for ${call.model}` }, { 'retry-after': '3' });
    });
    await stack.startWorker();
    const front = await stack.openFront();
    const limited = await stack.generate(front, 'limited', { model }, { stream: true });
    await vi.waitUntil(() => limited.events.some(({ type }) => type === 'waiting'), 10_000);
    const free = await stack.generate(front, 'free', { model: 'mistral/mistral-large-latest' });
    await free.result;
    const freeCall = stack.upstream.calls.find((call) => call.model === 'mistral-large-latest');
    expect((freeCall?.arrivedAt ?? 0) - (stack.upstream.calls[0]?.arrivedAt ?? 0)).toBeLessThan(2_500);
    const same = await stack.generate(front, 'the same model', { model });
    await Promise.all([limited.result, same.result]);
    const [refusal] = stack.upstream.calls;
    for (const call of stack.upstream.calls.slice(1).filter((each) => each.model === refusal?.model))
      expect(call.arrivedAt - (refusal?.arrivedAt ?? 0)).toBeGreaterThanOrEqual(2_950);

    stack.upstream.behave((_call, { response, finish }) => {
      response.setHeader('x-ratelimit-limit-req-minute', '60');
      response.setHeader('x-ratelimit-remaining-req-minute', '1');
      finish({ text: 'nearly empty' });
    });
    const before = stack.upstream.calls.length;
    const third = { model: 'mistral/codestral-latest' };
    await (
      await stack.generate(front, 'the first', third)
    ).result;
    const both = [await stack.generate(front, 'the second', third), await stack.generate(front, 'the third', third)];
    await Promise.all(both.map(({ result }) => result));
    const [, slower, slowest] = stack.upstream.calls.slice(before);
    expect((slowest?.arrivedAt ?? 0) - (slower?.arrivedAt ?? 0)).toBeGreaterThan(4_000);
  });
});

/** Calls take a tenth of a second; the first ones as long as it takes for as many of them to be under way at once. */
function answerTogether(count: number, only?: string): Behaviour {
  let together = 0;
  const all = Promise.withResolvers<void>();
  return async (call, { finish }) => {
    if (only === undefined || call.model === only) {
      if ((together += 1) >= count) all.resolve();
      await all.promise;
    }
    await delay(100);
    finish({ text: 'done' });
  };
}

describe('calls at once', () => {
  async function runMany(stack: FaultStack, models: string[]): Promise<void> {
    await Promise.all([stack.startWorker(), stack.startWorker()]);
    const front = await stack.openFront();
    const asked = await Promise.all(models.map((name) => stack.generate(front, 'one of many', { model: name })));
    await Promise.all(asked.map(({ result }) => result));
  }

  test('never exceed those of a model, while others run free', async () => {
    const stack = await createFaultStack({ provider: { models: { narrow: { concurrency: 2 } } } });
    stack.upstream.behave(answerTogether(2, 'narrow'));
    await runMany(stack, [...Array<string>(20).fill('mistral/narrow'), ...Array<string>(10).fill('mistral/wide')]);
    const of = (name: string) => stack.upstream.calls.filter((call) => call.model === name);
    expect(countMost(of('narrow'))).toBe(2);
    expect(of('narrow').length).toBe(20);
    // A slot that is free is taken at once, not at the next look.
    const narrow = of('narrow');
    expect((narrow.at(-1)?.arrivedAt ?? 0) - (narrow[0]?.arrivedAt ?? 0)).toBeLessThan(4_000);
    expect(of('wide').at(-1)?.arrivedAt).toBeLessThan(narrow.at(-1)?.arrivedAt ?? 0);
  });

  test('go on after a worker was killed with a call under way', async () => {
    const stack = await createFaultStack({ provider: { models: { narrow: { concurrency: 1 } } } });
    stack.upstream.behave(async (call, { finish, held }) => {
      if (call.number === 1) await held;
      finish({ text: 'done' });
    });
    const doomed = await stack.startWorker();
    const front = await stack.openFront();
    const asked = [await stack.generate(front, 'held', { model: 'mistral/narrow' })];
    await stack.upstream.arrived(1);
    await stack.startWorker();
    for (const name of ['behind', 'further behind'])
      asked.push(await stack.generate(front, name, { model: 'mistral/narrow' }));
    await doomed.end('SIGKILL');
    const killedAt = Date.now();
    await Promise.all(asked.map(({ result }) => result));
    // Its lock lives for four seconds, and its job is found after that.
    expect(Date.now() - killedAt).toBeLessThan(15_000);
  });
});
