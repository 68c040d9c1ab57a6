import type { GenerationSettings } from '@aimm/contracts';
import type { ProgressEvent } from '@aimm/manager';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ask, me, startSystem, type System } from '../support/system.ts';
import { echo } from '../support/upstream.ts';

const model = 'mistral/mistral-medium-3-5';
const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, people: { type: 'integer' } },
  required: ['city', 'people'],
};
const form: GenerationSettings = { responseFormat: { type: 'json_schema', schema } };
const rome = { city: 'Rome', people: 2_800_000 };

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());
afterEach(() => system.upstream.behave(echo));

/** Answers the calls of one test in turn; the last answer stands for all that follow. */
function answer(...texts: string[]): { calls: () => number; body: (index: number) => string } {
  const before = system.upstream.calls.length;
  let next = 0;
  system.upstream.behave((_call, { finish }) => {
    finish({ text: texts[Math.min(next, texts.length - 1)] ?? '' });
    next += 1;
  });
  return {
    calls: () => system.upstream.calls.length - before,
    body: (index) => system.upstream.bodies[before + index] ?? '',
  };
}

async function generate(text: string, settings: GenerationSettings, onProgress?: (event: ProgressEvent) => void) {
  const { result } = await system.manager.generate(me, { ...ask(text, settings), model, tags: [text] }, { onProgress });
  return result;
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    (value) => Promise.reject(new Error(`expected a failure, got ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );
const usageOf = (tag: string) => system.manager.usage(me, { from: 0, to: Date.now() + 1_000, tag });

describe('an answer to a JSON schema', () => {
  test('that fits comes parsed, from one call', async () => {
    const upstream = answer(JSON.stringify(rome));
    const result = await generate('fits', form);
    expect(result).toMatchObject({ structured: rome, text: JSON.stringify(rome), calls: 1, warnings: [] });
    expect(upstream.calls()).toBe(1);
  });

  test('may be fenced', async () => {
    answer(`\`\`\`json\n${JSON.stringify(rome, null, 2)}\n\`\`\`\n`);
    expect(await generate('fenced', form)).toMatchObject({ structured: rome, calls: 1 });
  });

  test('that does not fit is mended by one further call, which is told what is wrong', async () => {
    const upstream = answer('{"city":"Rome","people":"many"}', JSON.stringify(rome));
    const events: ProgressEvent[] = [];
    const result = await generate('mended', form, (event) => events.push(event));
    expect(result).toMatchObject({ structured: rome, text: JSON.stringify(rome), calls: 2 });
    const { messages } = JSON.parse(upstream.body(1)) as { messages: { role: string; content: unknown }[] };
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[1]?.content).toBe('{"city":"Rome","people":"many"}');
    expect(JSON.stringify(messages[2])).toContain('people: must be integer');
    // Whoever reads along drops the first answer.
    expect(events.map(({ type }) => type)).toEqual(['started', 'text', 'reset', 'started', 'text']);
  });

  test('that was mended is accounted for call by call, and tokens and cost are of both', async () => {
    answer('not at all', JSON.stringify(rome));
    const result = await generate('two rows', form);
    expect(result.usage).toMatchObject({ inputTokens: 20, outputTokens: 10, totalTokens: 30 });
    expect(result.warnings).toEqual([expect.objectContaining({ message: expect.stringContaining('mended') })]);
    const costNanoUsd = result.costNanoUsd ?? 0;
    expect(costNanoUsd).toBeGreaterThan(0);
    await expect
      .poll(() => usageOf('two rows'))
      .toMatchObject({
        totals: { requests: 1, calls: 2, succeeded: 2, inputTokens: 20, outputTokens: 10, costNanoUsd },
      });
  });

  test('that does not fit after that either is an error which names what did not fit', async () => {
    const upstream = answer('{"city":"Rome","people":"many"}');
    expect(await failureOf(generate('hopeless', form))).toMatchObject({
      code: 'server_error',
      message: expect.stringContaining(model),
      hint: expect.stringContaining('people: must be integer'),
    });
    expect(upstream.calls()).toBe(2);
    await expect.poll(() => usageOf('hopeless')).toMatchObject({ totals: { calls: 2, succeeded: 2 } });
  });

  test('goes to a fallback after that', async () => {
    const other = 'mistral/mistral-small-2603';
    system.upstream.behave((call, { finish }) =>
      finish({ text: call.model === 'mistral-small-2603' ? JSON.stringify(rome) : 'no' }),
    );
    const { result } = await system.manager.generate(me, { ...ask('falls back', form), model, fallbacks: [other] });
    expect(await result).toMatchObject({
      structured: rome,
      model: 'mistral-small-2603',
      calls: 3,
      fallbackFrom: model,
    });
  });

  test('that was cut off costs no further call: the limit has to be raised', async () => {
    const before = system.upstream.calls.length;
    system.upstream.behave((_call, { response }) => {
      const choices = [{ index: 0, delta: { role: 'assistant', content: '{"city":"Ro' }, finish_reason: 'length' }];
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
      const event = { id: 'cut', object: 'chat.completion.chunk', created: 1, model: 'm', choices, usage };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`);
    });
    expect(await failureOf(generate('cut off', { ...form, maxOutputTokens: 5 }))).toMatchObject({
      code: 'server_error',
      hint: expect.stringContaining('max_output_tokens (5 now)'),
    });
    expect(system.upstream.calls.length - before).toBe(1);
  });
});

describe('an answer in plain JSON', () => {
  test('comes parsed', async () => {
    answer('[1, 2]');
    expect(await generate('plain', { responseFormat: { type: 'json' } })).toMatchObject({
      structured: [1, 2],
      calls: 1,
    });
  });

  test('that is none is mended', async () => {
    const upstream = answer('Here you are: 1', '{"one":1}');
    const result = await generate('plain mended', { responseFormat: { type: 'json' } });
    expect(result).toMatchObject({ structured: { one: 1 }, calls: 2 });
    expect(upstream.body(1)).toContain('the answer is not JSON');
  });
});

test.each([
  [{ type: 'object', properties: { age: { type: 'integr' } } }, 'response_format.schema.properties.age.type'],
  [{ $ref: '#/$defs/missing' }, '#/$defs/missing'],
])('a schema that cannot be used calls nobody: %j', async (broken, named) => {
  const upstream = answer('{}');
  const settings: GenerationSettings = { responseFormat: { type: 'json_schema', schema: broken } };
  expect(await failureOf(generate('broken', settings))).toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining(named),
  });
  const comparison = system.manager.compare(me, {
    ...ask('broken', settings),
    models: [model, 'mistral/codestral-2508'],
  });
  expect(await failureOf(comparison)).toMatchObject({ code: 'invalid_request' });
  expect(upstream.calls()).toBe(0);
});
