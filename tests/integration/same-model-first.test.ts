import { createSameModelFirst } from '@aimm/queue';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type OllamaHost, startOllamaHost } from '../support/ollama-host.ts';
import { createQueueFixture, type QueueFixture } from '../support/queue-fixture.ts';
import { ask, me, startSystem, type System } from '../support/system.ts';

const mostPasses = 8;

describe('an Ollama host that is asked for two models in turn', () => {
  let host: OllamaHost;
  let system: System;
  beforeAll(async () => {
    host = await startOllamaHost(['llama3.2', 'qwen3']);
    system = await startSystem({ OLLAMA_BASE_URL: host.url });
  });
  afterAll(async () => {
    await system.close();
    await host.stop();
  });

  test('changes its model a few times only, every job runs once, and none is passed by more than 8 younger ones', async () => {
    const count = 60;
    host.hold();
    const answers: Promise<unknown>[] = [];
    for (let number = 0; number < count; number += 1) {
      const model = number % 2 === 0 ? 'ollama/llama3.2' : 'ollama/qwen3';
      answers.push((await system.manager.generate(me, { ...ask(String(number)), model })).result);
    }
    await host.arrived(1);
    host.letGo();
    await Promise.all(answers);

    const order = host.calls.map((call) => Number(call.split(' ')[1]));
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, number) => number));
    // In the order they came it would be 59.
    expect(host.swaps()).toBeLessThanOrEqual(8);
    const passes = order.map((number, place) => order.slice(0, place).filter((other) => other > number).length);
    expect(Math.max(...passes)).toBe(mostPasses);
  });
});

describe('the next job of the loaded model', () => {
  let fixture: QueueFixture;
  beforeEach(async () => {
    fixture = await createQueueFixture();
  });
  afterEach(() => fixture.close());

  const add = async (names: readonly string[], given: { lane?: 'batch' } = {}) => {
    const labels = new Map<string, string>();
    for (const name of names) {
      const { messages } = ask(name);
      const payload = fixture.payload({ ...given, request: { model: name.slice(0, 1), messages, settings: {} } });
      labels.set(payload.requestId, name);
      await fixture.front.producer.addGeneration(payload);
    }
    /** What runs next first. */
    return async () => {
      const redis = fixture.redis.client();
      const waiting = (await redis.lrange('{aimm}:openai:wait', 0, -1)).toReversed();
      const batch = await redis.zrange('{aimm}:openai:prioritized', '0', '-1');
      return [...waiting, ...batch].map((id) => labels.get(id)).join(' ');
    };
  };

  test('goes to the front, and leaves the others in their order', async () => {
    const line = await add(['b1', 'c1', 'a1', 'b2', 'a2']);
    const same = createSameModelFirst(fixture.redis.client());
    expect(await same.bringForward('openai', 'openai/a')).toBe(true);
    expect(await line()).toBe('a1 b1 c1 b2 a2');
  });

  test('stays where it is when it is next anyway, and nothing moves when none waits', async () => {
    const line = await add(['a1', 'b1', 'a2']);
    const same = createSameModelFirst(fixture.redis.client());
    expect(await same.bringForward('openai', 'openai/a')).toBe(false);
    expect(await same.bringForward('openai', 'openai/z')).toBe(false);
    expect(await same.bringForward('nobody', 'openai/a')).toBe(false);
    expect(await line()).toBe('a1 b1 a2');
  });

  test('passes nobody who was first passed 30 seconds ago', async () => {
    const line = await add(['b1', 'a1', 'a2', 'a3']);
    let now = Date.now();
    const same = createSameModelFirst(fixture.redis.client(), () => now);
    expect(await same.bringForward('openai', 'openai/a')).toBe(true);
    await fixture.redis.client().rpop('{aimm}:openai:wait');
    now += 29_999;
    expect(await same.bringForward('openai', 'openai/a')).toBe(true);
    await fixture.redis.client().rpop('{aimm}:openai:wait');
    now += 1;
    expect(await same.bringForward('openai', 'openai/a')).toBe(false);
    expect(await line()).toBe('b1 a3');
  });

  test('of a batch goes before the batch’s other models, and before nothing interactive', async () => {
    const line = await add(['b1', 'a1', 'a2'], { lane: 'batch' });
    const same = createSameModelFirst(fixture.redis.client());
    expect(await same.bringForward('openai', 'openai/a')).toBe(true);
    expect(await line()).toBe('a1 b1 a2');
  });

  test('of a batch waits for an interactive one of another model', async () => {
    await add(['a1', 'a2'], { lane: 'batch' });
    const line = await add(['b1']);
    const same = createSameModelFirst(fixture.redis.client());
    expect(await same.bringForward('openai', 'openai/a')).toBe(false);
    expect(await line()).toMatch(/^b1/);
  });
});
