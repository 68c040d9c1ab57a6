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
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';

/** Chunks of Mistral's chat; the last has the reason to finish and the counts. */
export function createCompletionMapper(): EventMapper<CompletionEvent> {
  let reason: string | undefined;
  let called = false;
  let known: CallFacts = {};

  return {
    map({ data: chunk }) {
      known = {
        ...known,
        ...(chunk.model && { answeredBy: chunk.model }),
        ...(chunk.id && { vendorRequestId: chunk.id }),
        ...(chunk.usage !== undefined && { usage: toChatUsage(chunk.usage) }),
      };
      const choice = chunk.choices[0];
      const parts = [...mapContent(choice?.delta.content), ...(choice?.delta.toolCalls ?? []).map(mapCall)];
      called ||= parts.some(({ type }) => type === 'tool_call');
      // Thrown before it counts as an end: no failure is an answer.
      if (choice?.finishReason === 'error')
        throw new StreamFault({ code: 'server_error', message: 'finish_reason error' });
      if (choice?.finishReason) reason = choice.finishReason;
      return parts;
    },
    facts: () => known,
    finish: () => (reason === undefined ? undefined : toFinishReason(reason, called)),
  };
}

function mapContent(content: string | ContentChunk[] | null | undefined): ContentPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return (content ?? []).flatMap((chunk): ContentPart[] => {
    if (chunk.type === 'text' && 'text' in chunk) return [{ type: 'text', text: chunk.text }];
    if (chunk.type !== 'thinking' || !('thinking' in chunk)) return [];
    const texts = chunk.thinking.map((thought) => ('text' in thought ? thought.text : ''));
    return [{ type: 'reasoning', text: texts.join('') }];
  });
}

function mapCall({ id, function: { name, arguments: given } }: ToolCall): ContentPart {
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
