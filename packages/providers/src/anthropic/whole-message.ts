import type { Message, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';
import { isObject } from '../adapter/error-body.ts';

/** The events that a whole message would have been streamed as. @throws when it is none */
export function* toMessageEvents(body: unknown): Generator<RawMessageStreamEvent> {
  if (!isObject(body) || !Array.isArray(body['content'])) throw new Error('the answer has no content');
  // The vendor's own answer, of which the mapper reads no more than it reads of events; each event has what it looks at.
  const message = body as unknown as Message;
  yield { type: 'message_start', message };
  for (const [index, block] of message.content.entries()) {
    for (const event of toBlockEvents(block)) yield { ...event, index } as RawMessageStreamEvent;
  }
  const { stop_reason, stop_sequence, usage } = message;
  yield { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage } as unknown as RawMessageStreamEvent;
  yield { type: 'message_stop' };
}

function* toBlockEvents(block: Message['content'][number]): Generator<{ type: string; [field: string]: unknown }> {
  const delta = (fields: object) => ({ type: 'content_block_delta', delta: fields });
  switch (block.type) {
    case 'thinking':
      yield { type: 'content_block_start', content_block: { ...block, thinking: '', signature: '' } };
      if (block.thinking) yield delta({ type: 'thinking_delta', thinking: block.thinking });
      if (block.signature) yield delta({ type: 'signature_delta', signature: block.signature });
      break;
    case 'tool_use':
      yield { type: 'content_block_start', content_block: { ...block, input: {} } };
      yield delta({ type: 'input_json_delta', partial_json: JSON.stringify(block.input ?? {}) });
      break;
    default:
      yield { type: 'content_block_start', content_block: block };
  }
  yield { type: 'content_block_stop' };
}
