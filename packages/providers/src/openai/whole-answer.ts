import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Response, ResponseOutputItem, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { isObject } from '../adapter/error-body.ts';

/** The events that a whole answer of the Responses API would have been streamed as. @throws when it is none */
export function* toResponseEvents(body: unknown): Generator<ResponseStreamEvent> {
  if (!isObject(body) || (!Array.isArray(body['output']) && body['status'] !== 'failed'))
    throw new Error('the answer has no output');
  // The vendor's own answer, of which the mapper reads no more than it reads of events.
  const response = body as unknown as Response;
  for (const item of response.output ?? []) {
    for (const event of toItemEvents(item)) yield event as ResponseStreamEvent;
  }
  yield { type: 'response.completed', response } as ResponseStreamEvent;
}

/** As much of each event as the mapper looks at. */
function* toItemEvents(item: ResponseOutputItem): Generator<Partial<ResponseStreamEvent> & object> {
  if (item.type === 'message') {
    for (const part of item.content ?? []) {
      if (part.type === 'output_text') yield { type: 'response.output_text.delta', delta: part.text };
      else if (part.type === 'refusal') yield { type: 'response.refusal.delta', delta: part.refusal };
    }
  }
  if (item.type === 'reasoning') {
    for (const [index, { text }] of (item.summary ?? []).entries()) {
      yield { type: 'response.reasoning_summary_part.added', summary_index: index };
      yield { type: 'response.reasoning_summary_text.delta', delta: text };
    }
    for (const { text } of item.content ?? []) yield { type: 'response.reasoning_text.delta', delta: text };
  }
  yield { type: 'response.output_item.done', item };
}

/** A whole chat completion as the one chunk it would have been. @throws when it is none */
export function toChatChunks(body: unknown): ChatCompletionChunk[] {
  const choices: unknown = isObject(body) ? body['choices'] : undefined;
  if (!isObject(body) || !Array.isArray(choices)) throw new Error('the answer has no choices');
  const chunk = { ...body, choices: choices.filter(isObject).map(toDeltaChoice) };
  // As above: the vendor's own answer, read as loosely as its chunks.
  return [chunk as unknown as ChatCompletionChunk];
}

function toDeltaChoice({ message, ...choice }: Record<string, unknown>): Record<string, unknown> {
  const delta = isObject(message) ? message : {};
  const calls = Array.isArray(delta['tool_calls']) ? delta['tool_calls'].filter(isObject) : [];
  return { ...choice, delta: { ...delta, tool_calls: calls.map((call, index) => ({ ...call, index })) } };
}
