import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';
import type { GenerateContentResponse } from '@google/genai';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import { StreamFault } from '../src/adapter/stream-fault.ts';
import type { EventMapper } from '../src/adapter/vendor.ts';
import { createMessagesMapper } from '../src/anthropic/stream.ts';
import { createContentMapper } from '../src/google/stream.ts';
import type { StreamPart } from '../src/index.ts';
import { createChatMapper } from '../src/openai/chat-stream.ts';
import { createResponsesMapper } from '../src/openai/responses-stream.ts';

/** Events as they stand on the wire, of which the SDKs' types ask for much more. */
function run<Event>(mapper: EventMapper<Event>, events: object[]): StreamPart[] {
  const parts = events.flatMap((event) => mapper.map(event as Event));
  const finishReason = mapper.finish();
  const { usage = {}, ...facts } = mapper.facts();
  return finishReason === undefined ? parts : [...parts, { type: 'finish', finishReason, usage, ...facts }];
}
const called = (parts: StreamPart[]) => parts.filter((part) => part.type === 'tool_call').map(({ call }) => call);
const reasonOf = (parts: StreamPart[]) => parts.find((part) => part.type === 'finish')?.finishReason;

describe('Anthropic messages', () => {
  const mapAll = (events: object[]) => run<RawMessageStreamEvent>(createMessagesMapper(), events);
  const block = (index: number, content_block: object, ...deltas: object[]) => [
    { type: 'content_block_start', index, content_block },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];

  test('a call keeps the thoughts before it, hidden ones too, to give them back', () => {
    const parts = mapAll([
      ...block(
        0,
        { type: 'thinking', thinking: '', signature: '' },
        { type: 'thinking_delta', thinking: 'hmm' },
        { type: 'signature_delta', signature: 's1' },
      ),
      ...block(1, { type: 'redacted_thinking', data: 'xyz' }),
      ...block(2, { type: 'tool_use', id: 't1', name: 'f', input: {} }),
      ...block(
        3,
        { type: 'tool_use', id: 't2', name: 'g', input: {} },
        { type: 'input_json_delta', partial_json: '{"a":1}' },
      ),
    ]);
    const thinking = [
      { type: 'thinking', thinking: 'hmm', signature: 's1' },
      { type: 'redacted_thinking', data: 'xyz' },
    ];
    expect(called(parts)).toEqual([
      { type: 'tool_call', id: 't1', name: 'f', arguments: {}, vendor: { anthropic: { thinking } } },
      { type: 'tool_call', id: 't2', name: 'g', arguments: { a: 1 } },
    ]);
    expect(parts).toContainEqual({ type: 'reasoning', text: '', signature: 's1' });
  });

  test('a call cut short by the limit of tokens is left out with a warning', () => {
    const parts = mapAll(
      block(
        0,
        { type: 'tool_use', id: 't1', name: 'f', input: {} },
        { type: 'input_json_delta', partial_json: '{"a":' },
      ),
    );
    expect(called(parts)).toEqual([]);
    expect(parts).toEqual([{ type: 'warning', warning: expect.objectContaining({ code: 'other' }) }]);
  });

  test('counts that came before a stream broke are known, without the output’s, which counts to the end only there', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 2, cache_creation_input_tokens: 1, output_tokens: 1 };
    const mapper = createMessagesMapper();
    // Of what the SDK's type asks for, what the wire may leave out.
    mapper.map({ type: 'message_start', message: { id: 'm', model: 'x', usage } } as RawMessageStreamEvent);
    expect(mapper.facts()).toEqual({
      answeredBy: 'x',
      vendorRequestId: 'm',
      usage: { inputTokens: 8, cacheReadTokens: 2, cacheWriteTokens: 1 },
    });
    // Some servers in Anthropic's place count at the beginning only.
    mapper.map({ type: 'message_delta', delta: { stop_reason: 'end_turn' } } as RawMessageStreamEvent);
    expect(mapper.facts().usage).not.toHaveProperty('outputTokens');
    mapper.map({ type: 'message_stop' });
    expect(mapper.facts().usage).toMatchObject({ inputTokens: 8, outputTokens: 1, totalTokens: 9 });
  });

  test.each([
    ['refusal', 'content_filter'],
    ['model_context_window_exceeded', 'length'],
    ['pause_turn', 'stop'],
    ['something_new', 'other'],
  ])('%s means %s', (stop_reason, unified) => {
    const events = [{ type: 'message_delta', delta: { stop_reason }, usage: {} }, { type: 'message_stop' }];
    expect(reasonOf(mapAll(events))).toEqual({ unified, raw: stop_reason });
  });
});

describe('Responses', () => {
  const mapAll = (events: object[]) => run<ResponseStreamEvent>(createResponsesMapper(), events);
  const completed = (fields: object) => ({
    type: 'response.completed',
    response: { status: 'completed', output: [], ...fields },
  });

  test('a call keeps the reasoning before it and who made it, to give it back', () => {
    const reasoning = {
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: 's' }],
      encrypted_content: 'x',
    };
    const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' };
    const maker = { provider: 'openai', model: 'm' };
    const parts = run<ResponseStreamEvent>(createResponsesMapper(maker), [
      { type: 'response.output_item.done', item: { ...reasoning, status: 'completed' } },
      { type: 'response.output_item.done', item: call },
      completed({ output: [reasoning, call] }),
    ]);
    expect(called(parts)).toEqual([
      {
        type: 'tool_call',
        id: 'c1',
        name: 'f',
        arguments: {},
        vendor: { openai: { ...maker, reasoning: [reasoning] } },
      },
    ]);
  });

  test('a call that only the last event shows is not lost', () => {
    const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"a":1}' };
    const parts = mapAll([completed({ output: [call] })]);
    expect(called(parts)).toHaveLength(1);
    expect(reasonOf(parts)?.unified).toBe('tool_calls');
  });

  test('a refusal is told as text and as the reason', () => {
    const parts = mapAll([{ type: 'response.refusal.delta', delta: 'No.' }, completed({})]);
    expect(parts[0]).toEqual({ type: 'text', text: 'No.' });
    expect(reasonOf(parts)?.unified).toBe('content_filter');
  });

  test.each([
    [{ status: 'incomplete', incomplete_details: { reason: 'content_filter' } }, 'content_filter'],
    [{ status: 'incomplete' }, 'length'],
    [{ status: 'incomplete', incomplete_details: { reason: 'max_messages' } }, 'other'],
  ])('%o means %s', (fields, unified) => {
    expect(reasonOf(mapAll([completed(fields)]))?.unified).toBe(unified);
  });
});

describe('Chat Completions', () => {
  const mapAll = (events: object[]) => run<ChatCompletionChunk>(createChatMapper(), events);
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason }],
  });

  test('calls that run side by side are told apart by index, and by id where a server gives all the same index', () => {
    const fragment = (index: number, id: string | undefined, name: string | undefined, text: string) => ({
      index,
      ...(id && { id }),
      function: { ...(name && { name }), arguments: text },
    });
    const parts = mapAll([
      chunk({ tool_calls: [fragment(0, 'a', 'f', '{"x"'), fragment(1, 'b', 'g', '')] }),
      chunk({ tool_calls: [fragment(1, undefined, undefined, '{}'), fragment(0, undefined, undefined, ':1}')] }),
      chunk({ tool_calls: [fragment(0, 'c', 'h', '')] }),
      chunk({}, 'stop'),
    ]);
    expect(called(parts).map(({ id, name, arguments: given }) => [id, name, given])).toEqual([
      ['a', 'f', { x: 1 }],
      ['b', 'g', {}],
      ['c', 'h', {}],
    ]);
    expect(reasonOf(parts)?.unified).toBe('tool_calls');
  });

  test('a call without an id gets one', () => {
    const parts = mapAll([
      chunk({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' } }] }),
      chunk({}, 'stop'),
    ]);
    expect(called(parts)[0]?.id).toMatch(/^call_/);
  });

  test('chunks without choices, deltas or details are no trouble, and unknown counts stay unknown', () => {
    const parts = mapAll([
      {},
      { choices: [] },
      { choices: [{}] },
      chunk({}, 'stop'),
      { choices: [], usage: { prompt_tokens: 3 } },
    ]);
    expect(parts.at(-1)).toMatchObject({ type: 'finish', usage: { inputTokens: 3 } });
    expect(mapAll([chunk({}, 'stop')]).at(-1)).toMatchObject({ usage: {} });
  });
});

describe('Chat Completions of servers that count reasoning beside the answer', () => {
  const usageOf = (usage: object) =>
    run<ChatCompletionChunk>(createChatMapper(), [
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      { choices: [], usage },
    ]).at(-1);
  const details = { completion_tokens_details: { reasoning_tokens: 386 } };

  test('it is output all the same, as it is billed (xAI)', () => {
    expect(usageOf({ prompt_tokens: 12, completion_tokens: 1, total_tokens: 399, ...details })).toMatchObject({
      usage: { inputTokens: 12, outputTokens: 387, reasoningTokens: 386, totalTokens: 399 },
    });
  });

  test.each([412, undefined])('it is counted once where the answer’s count has it (OpenAI): total %s', (total) => {
    expect(
      usageOf({ prompt_tokens: 12, completion_tokens: 400, ...(total && { total_tokens: total }), ...details }),
    ).toMatchObject({ usage: { outputTokens: 400, reasoningTokens: 386, totalTokens: 412 } });
  });

  test('more reasoning than answer stands beside it, also where no total is told', () => {
    expect(usageOf({ prompt_tokens: 12, completion_tokens: 1, ...details })).toMatchObject({
      usage: { outputTokens: 387, totalTokens: 399 },
    });
    // What contradicts itself is read in the user's favour.
    expect(usageOf({ prompt_tokens: 12, completion_tokens: 1, total_tokens: 13, ...details })).toMatchObject({
      usage: { outputTokens: 1, totalTokens: 13 },
    });
  });
});

describe('Gemini', () => {
  const mapAll = (events: object[]) => run<GenerateContentResponse>(createContentMapper(), events);

  test('counts what was heard by itself', () => {
    const mapper = createContentMapper();
    const usageMetadata = {
      promptTokenCount: 1_000,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 300 },
        { modality: 'AUDIO', tokenCount: 700 },
      ],
      cachedContentTokenCount: 300,
      cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 200 }],
      candidatesTokenCount: 5,
    };
    // As the wire has it; the SDK's type has methods besides.
    mapper.map({ usageMetadata } as unknown as GenerateContentResponse);
    expect(mapper.facts().usage).toEqual({
      inputTokens: 1_000,
      cacheReadTokens: 300,
      audioTokens: 700,
      audioCacheReadTokens: 200,
      outputTokens: 5,
      totalTokens: 1_005,
    });
  });

  test('a blocked prompt ends as filtered content', () => {
    const parts = mapAll([{ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 4 } }]);
    expect(reasonOf(parts)).toEqual({ unified: 'content_filter', raw: 'SAFETY' });
    expect(parts.at(-1)).toMatchObject({ usage: { inputTokens: 4 } });
  });

  test.each(['OTHER', 'BLOCKED_REASON_UNSPECIFIED'])(
    'a blocked prompt is one for the reason %s, too',
    (blockReason) => {
      expect(reasonOf(mapAll([{ promptFeedback: { blockReason }, usageMetadata: { promptTokenCount: 4 } }]))).toEqual({
        unified: 'content_filter',
        raw: blockReason,
      });
    },
  );

  test('an answer that ended for another reason is no blocked prompt', () => {
    expect(reasonOf(mapAll([{ candidates: [{ finishReason: 'OTHER' }] }]))).toEqual({ unified: 'other', raw: 'OTHER' });
  });

  test('chunks after the reason still count, and the last counts win', () => {
    const parts = mapAll([
      { candidates: [{ finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 1 } },
      {
        candidates: [{ content: { parts: [{ text: 'late' }] } }],
        usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 9 },
      },
    ]);
    expect(parts).toContainEqual({ type: 'text', text: 'late' });
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: 'stop' }, usage: { outputTokens: 9 } });
  });

  test('a call keeps its signature, and gets an id', () => {
    const part = { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' };
    const parts = mapAll([{ candidates: [{ content: { parts: [part] }, finishReason: 'STOP' }] }]);
    expect(called(parts)).toEqual([
      {
        type: 'tool_call',
        id: expect.stringMatching(/^call_/),
        name: 'f',
        arguments: { a: 1 },
        vendor: { google: { thoughtSignature: 'c2ln' } },
      },
    ]);
    expect(reasonOf(parts)?.unified).toBe('tool_calls');
  });

  test.each(['MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE'])('%s is a failure with its counts', (finishReason) => {
    const mapper = createContentMapper();
    const usageMetadata = { promptTokenCount: 4, candidatesTokenCount: 9 };
    // Of what the SDK's type asks for, what the wire has.
    const chunk = { candidates: [{ finishReason }], usageMetadata } as GenerateContentResponse;
    expect(() => mapper.map(chunk)).toThrow(StreamFault);
    expect(mapper.finish()).toBeUndefined();
    expect(mapper.facts()).toMatchObject({ usage: { inputTokens: 4, outputTokens: 9 } });
  });

  test('a call beside one that was botched is not lost', () => {
    const part = { functionCall: { name: 'f', args: {} } };
    const parts = mapAll([{ candidates: [{ content: { parts: [part] }, finishReason: 'MALFORMED_FUNCTION_CALL' }] }]);
    expect(called(parts)).toHaveLength(1);
    expect(reasonOf(parts)?.unified).toBe('error');
  });

  test('an answer that is no text is not dropped in silence', () => {
    const part = { inlineData: { mimeType: 'image/png', data: 'aGk=' } };
    expect(mapAll([{ candidates: [{ content: { parts: [part] } }] }])).toEqual([
      { type: 'warning', warning: expect.objectContaining({ message: expect.stringContaining('image/png') }) },
    ]);
  });
});
