import type { FinishReason, GeneratePayload, GenerationRequest, GenerationSettings } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import type { CallReport } from '../src/make-call.ts';
import { checkAnswer, toRepairRequest } from '../src/structured-output.ts';
import { toGenerationResult } from '../src/to-generation-result.ts';

const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const asked = (responseFormat?: GenerationSettings['responseFormat'], demo = false) => ({
  provider: 'openai',
  demo,
  request: {
    model: 'm',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    settings: { responseFormat },
  } satisfies GenerationRequest,
});
const form = { type: 'json_schema' as const, schema };
const report = (
  text: string,
  unified: FinishReason['unified'] = 'stop',
  more: Partial<CallReport> = {},
): CallReport => ({
  text,
  reasoning: '',
  toolCalls: [],
  warnings: [],
  usage: undefined,
  isCounted: true,
  finishReason: { unified },
  providerMs: 1,
  ...more,
});

describe('an answer', () => {
  test.each([
    ['{"n":1}', { n: 1 }],
    [' \n{"n":1}\n', { n: 1 }],
    ['```json\n{"n":1}\n```', { n: 1 }],
    ['```\n{"n":1}\n```', { n: 1 }],
  ])('that fits its schema comes parsed: %j', async (text, structured) => {
    expect(await checkAnswer(asked(form), report(text))).toEqual({ state: 'fits', structured });
  });

  test.each([
    ['{"n":"1"}', ['n: must be integer']],
    ['[]', ['the whole: must be object']],
    ['null', ['the whole: must be object']],
    ['Sure: {"n":1}', ['the answer is not JSON']],
    ['', ['the answer is not JSON']],
  ])('that does not is told what is wrong: %j', async (text, faults) => {
    expect(await checkAnswer(asked(form), report(text))).toEqual({ state: 'unfit', unfit: { text, faults } });
  });

  test('to a schema that cannot be used is not asked for again: no answer fits it', async () => {
    const format = { ...form, schema: { $ref: '#/$defs/gone' } };
    expect(await checkAnswer(asked(format), report('{"n":1}'))).toMatchObject({
      state: 'hopeless',
      error: { code: 'invalid_request', retryable: false, message: expect.stringContaining('#/$defs/gone') },
    });
  });

  test('may be any JSON where no schema was given', async () => {
    expect(await checkAnswer(asked({ type: 'json' }), report('null'))).toEqual({ state: 'fits', structured: null });
  });

  test.each([[undefined], [{ type: 'text' as const }]])('in text is let through: %j', async (format) => {
    expect(await checkAnswer(asked(format), report('{"n":1}'))).toEqual({ state: 'fits' });
  });

  test('that asks for tools is let through: the form is for the turn after them', async () => {
    const toolCalls = [{ type: 'tool_call' as const, id: 'c', name: 't', arguments: {} }];
    expect(await checkAnswer(asked(form), report('', 'tool_calls', { toolCalls }))).toEqual({ state: 'fits' });
  });

  test.each([
    ['length', 'server_error'],
    ['content_filter', 'content_filtered'],
  ] as const)('that ended by %s is not asked for again', async (unified, code) => {
    expect(await checkAnswer(asked(form), report('{"n":', unified))).toMatchObject({
      state: 'hopeless',
      error: { code },
    });
  });

  test('that was cut off after its JSON was whole is taken', async () => {
    expect(await checkAnswer(asked(form), report('{"n":1}', 'length'))).toMatchObject({ state: 'fits' });
  });

  test('of the demo is let through as it is', async () => {
    expect(await checkAnswer(asked(form, true), report('made up'))).toEqual({ state: 'fits' });
  });
});

test('a demo answer says where it is not in the form asked for', () => {
  const warningsOf = (responseFormat: typeof form | undefined, answer: CallReport, structured?: { n: number }) => {
    const payload = { ...asked(responseFormat), enqueuedAt: 0, warnings: [] } as unknown as GeneratePayload;
    const facts = { now: 1, calls: [], rows: [], demo: true, ...(structured && { structured }) };
    const accounted = { ...answer, usage: {}, costNanoUsd: null };
    return toGenerationResult(payload, accounted, facts).warnings.map(({ message }) => message);
  };
  const plain = expect.stringMatching(/^Demo: a local stand-in answered/);
  const unfit = expect.stringMatching(/^Demo: .* response_format/);
  expect(warningsOf(form, report('made up'))).toEqual([plain, unfit]);
  expect(warningsOf(form, report('{"n":1}'), { n: 1 })).toEqual([plain]);
  expect(warningsOf(undefined, report('made up'))).toEqual([plain]);
  const toolCalls = [{ type: 'tool_call' as const, id: 'c', name: 't', arguments: {} }];
  expect(warningsOf(form, report('', 'tool_calls', { toolCalls }))).toEqual([plain]);
});

describe('the request that mends', () => {
  test('puts no empty turn before the model', () => {
    const { messages } = toRepairRequest(asked(form).request, { text: ' ', faults: ['the answer is not JSON'] });
    expect(messages.map(({ role }) => role)).toEqual(['user', 'user']);
  });

  test('shows of an endless answer the beginning', () => {
    const { messages } = toRepairRequest(asked(form).request, { text: 'x'.repeat(1_000_000), faults: [] });
    expect(JSON.stringify(messages).length).toBeLessThan(25_000);
  });
});
