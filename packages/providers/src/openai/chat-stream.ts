import { randomUUID } from 'node:crypto';
import type { FinishReason, Usage } from '@aimm/contracts';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { parseArguments, warnBrokenCall } from '../adapter/conversation.ts';
import { StreamFault } from '../adapter/stream-fault.ts';
import { toUsage } from '../adapter/usage.ts';
import type { EventMapper, FinishPart } from '../adapter/vendor.ts';
import type { StreamPart } from '../model-provider.ts';

type Delta = ChatCompletionChunk.Choice.Delta;
type OpenCall = { index: number; id: string; name: string; text: string };

/** Chunks of Chat Completions. Usage comes in a chunk of its own after the one with the finish reason, if at all. */
export function createChatMapper(): EventMapper<ChatCompletionChunk> {
  const calls: OpenCall[] = [];
  let reason: string | undefined;
  let refused = false;
  let usage: Usage = {};
  let last: Pick<FinishPart, 'answeredBy' | 'vendorRequestId'> = {};

  function append(fragment: NonNullable<Delta['tool_calls']>[number]): void {
    const open = calls.findLast(({ index }) => index === fragment.index);
    const continues = open !== undefined && (!fragment.id || fragment.id === open.id);
    const call = continues
      ? open
      : { index: fragment.index, id: fragment.id || `call_${randomUUID()}`, name: '', text: '' };
    if (!continues) calls.push(call);
    if (call.name === '') call.name = fragment.function?.name ?? '';
    call.text += fragment.function?.arguments ?? '';
  }

  function mapDelta(delta: Delta): StreamPart[] {
    const parts: StreamPart[] = [];
    const reasoning = findReasoning(delta);
    if (reasoning !== '') parts.push({ type: 'reasoning', text: reasoning });
    if (typeof delta.content === 'string' && delta.content !== '') parts.push({ type: 'text', text: delta.content });
    if (delta.refusal) {
      refused = true;
      parts.push({ type: 'text', text: delta.refusal });
    }
    delta.tool_calls?.forEach(append);
    return parts;
  }

  return {
    map(chunk) {
      const parts: StreamPart[] = [];
      if (chunk.model) last = { ...last, answeredBy: chunk.model };
      if (chunk.id) last = { ...last, vendorRequestId: chunk.id };
      if (chunk.usage) {
        usage = toChatUsage(chunk.usage);
        parts.push({ type: 'usage', usage });
      }
      const choice = chunk.choices?.[0];
      if (choice === undefined) return parts;
      if (choice.delta) parts.unshift(...mapDelta(choice.delta));
      if (choice.finish_reason && reason === undefined) {
        reason = choice.finish_reason;
        if (reason === 'error') throw new StreamFault({ code: 'server_error', message: 'finish_reason error' });
        parts.push(...calls.map(toPart));
      }
      return parts;
    },
    finish: () =>
      reason === undefined
        ? undefined
        : { type: 'finish', finishReason: toFinishReason(reason, calls.length > 0, refused), usage, ...last },
  };
}

function toPart({ id, name, text }: OpenCall): StreamPart {
  const parsed = parseArguments(text);
  if (parsed === undefined) return { type: 'warning', warning: warnBrokenCall(name) };
  return { type: 'tool_call', call: { type: 'tool_call', id, name, arguments: parsed } };
}

/** Not OpenAI's: compatible servers show reasoning under either name. */
function findReasoning(delta: Delta & { reasoning_content?: unknown; reasoning?: unknown }): string {
  const text = delta.reasoning_content ?? delta.reasoning;
  return typeof text === 'string' ? text : '';
}

function toFinishReason(raw: string, called: boolean, refused: boolean): FinishReason {
  if (refused || raw === 'content_filter') return { unified: 'content_filter', raw };
  if (raw === 'length') return { unified: 'length', raw };
  if (called || raw === 'tool_calls' || raw === 'function_call') return { unified: 'tool_calls', raw };
  return { unified: raw === 'stop' ? 'stop' : 'other', raw };
}

function toChatUsage(usage: NonNullable<ChatCompletionChunk['usage']>): Usage {
  return toUsage({
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cacheRead: usage.prompt_tokens_details?.cached_tokens,
    cacheWrite: usage.prompt_tokens_details?.cache_write_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
  });
}
