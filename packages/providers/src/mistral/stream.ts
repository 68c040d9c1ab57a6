import { randomUUID } from 'node:crypto';
import type { FinishReason, JsonObject, Usage } from '@aimm/contracts';
import type { CompletionEvent } from '@mistralai/mistralai/models/components/completionevent.js';
import type { ContentChunk } from '@mistralai/mistralai/models/components/contentchunk.js';
import type { ToolCall } from '@mistralai/mistralai/models/components/toolcall.js';
import type { UsageInfo } from '@mistralai/mistralai/models/components/usageinfo.js';
import { parseArguments, warnBrokenCall } from '../adapter/conversation.ts';
import { isObject } from '../adapter/error-body.ts';
import { StreamFault } from '../adapter/stream-fault.ts';
import { isCount, toUsage } from '../adapter/usage.ts';
import type { EventMapper, FinishPart } from '../adapter/vendor.ts';
import type { StreamPart } from '../model-provider.ts';

/** Chunks of Mistral's chat; the last has the reason to finish and the counts. */
export function createCompletionMapper(): EventMapper<CompletionEvent> {
  let reason: string | undefined;
  let called = false;
  let usage: Usage = {};
  let last: Pick<FinishPart, 'answeredBy' | 'vendorRequestId'> = {};

  return {
    map({ data: chunk }) {
      last = { ...(chunk.model && { answeredBy: chunk.model }), ...(chunk.id && { vendorRequestId: chunk.id }) };
      const choice = chunk.choices[0];
      const parts = [...mapContent(choice?.delta.content), ...(choice?.delta.toolCalls ?? []).map(mapCall)];
      called ||= parts.some(({ type }) => type === 'tool_call');
      if (choice?.finishReason) reason = choice.finishReason;
      if (reason === 'error') throw new StreamFault({ code: 'server_error', message: 'finish_reason error' });
      if (chunk.usage !== undefined) {
        usage = toChatUsage(chunk.usage);
        parts.push({ type: 'usage', usage });
      }
      return parts;
    },
    finish: () =>
      reason === undefined
        ? undefined
        : { type: 'finish', finishReason: toFinishReason(reason, called), usage, ...last },
  };
}

function mapContent(content: string | ContentChunk[] | null | undefined): StreamPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return (content ?? []).flatMap((chunk): StreamPart[] => {
    if (chunk.type === 'text' && 'text' in chunk) return [{ type: 'text', text: chunk.text }];
    if (chunk.type !== 'thinking' || !('thinking' in chunk)) return [];
    const texts = chunk.thinking.map((thought) => ('text' in thought ? thought.text : ''));
    return [{ type: 'reasoning', text: texts.join('') }];
  });
}

function mapCall({ id, function: { name, arguments: given } }: ToolCall): StreamPart {
  // The SDK parsed an object out of JSON.
  const parsed = typeof given === 'string' ? parseArguments(given) : (given as JsonObject);
  if (parsed === undefined) return { type: 'warning', warning: warnBrokenCall(name) };
  // "null" is the SDK's own default.
  const known = id === undefined || id === '' || id === 'null' ? randomUUID().slice(0, 8) + '0' : id;
  return { type: 'tool_call', call: { type: 'tool_call', id: known, name, arguments: parsed } };
}

function toFinishReason(raw: string, called: boolean): FinishReason {
  if (raw === 'length' || raw === 'model_length') return { unified: 'length', raw };
  if (called || raw === 'tool_calls') return { unified: 'tool_calls', raw };
  return { unified: raw === 'stop' ? 'stop' : 'other', raw };
}

/** The SDK fills a missing count with 0, which no prompt has; keys it does not know stay as on the wire. */
function toChatUsage(usage: UsageInfo): Usage {
  const details = usage['prompt_tokens_details'];
  const cached = isObject(details) ? details['cached_tokens'] : usage['num_cached_tokens'];
  return toUsage({
    input: usage.promptTokens === 0 ? undefined : usage.promptTokens,
    output: usage.promptTokens === 0 && usage.completionTokens === 0 ? undefined : usage.completionTokens,
    cacheRead: isCount(cached) ? cached : undefined,
  });
}
