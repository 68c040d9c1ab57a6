import type { ChatCompletionResponse } from '@mistralai/mistralai/models/components/chatcompletionresponse.js';
import type { CompletionEvent } from '@mistralai/mistralai/models/components/completionevent.js';

/** A whole chat completion as the one event it would have been. */
export function toCompletionEvents({ id, model, usage, choices }: ChatCompletionResponse): CompletionEvent[] {
  const streamed = choices.map(({ index, finishReason, message }) => ({
    index,
    finishReason,
    delta: {
      ...(message?.content !== undefined && { content: message.content }),
      ...(message?.toolCalls && { toolCalls: message.toolCalls }),
    },
  }));
  // The reasons of a whole answer and of a stream are two types of the same words.
  return [{ data: { id, model, usage, choices: streamed } } as CompletionEvent];
}
