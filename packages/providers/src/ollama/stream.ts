import type { FinishReason, JsonObject } from '@aimm/contracts';
import type { ChatResponse } from 'ollama';
import { createCallId } from '../adapter/call-id.ts';
import { toUsage } from '../adapter/usage.ts';
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';

type WireCall = NonNullable<ChatResponse['message']['tool_calls']>[number] & { id?: string };

/** Lines of Ollama's chat; the last is `done` and has the counts. */
export function createChatMapper(): EventMapper<ChatResponse> {
  let called = false;
  let reason: string | undefined;
  let known: CallFacts = {};

  return {
    map(line) {
      const parts: ContentPart[] = [];
      const { message } = line;
      if (message === undefined && line.done !== true) throw new Error('a line of the stream has no message');
      if (message?.thinking) parts.push({ type: 'reasoning', text: message.thinking });
      if (message?.content) parts.push({ type: 'text', text: message.content });
      const calls = (message?.tool_calls ?? []).map(mapCall);
      called ||= calls.length > 0;
      if (line.model) known = { ...known, answeredBy: line.model };
      if (line.done) {
        reason = line.done_reason ?? '';
        // Left out when nothing was read anew; a 0 says as little.
        const usage = toUsage({ input: line.prompt_eval_count || undefined, output: line.eval_count || undefined });
        known = { ...known, usage };
      }
      return [...parts, ...calls];
    },
    facts: () => known,
    finish: () => (reason === undefined ? undefined : toFinishReason(reason, called)),
  };
}

function mapCall(call: WireCall): ContentPart {
  const { name, arguments: given } = call.function;
  return {
    type: 'tool_call',
    // Parsed from a line of JSON by the SDK.
    call: { type: 'tool_call', id: call.id || createCallId(), name, arguments: (given ?? {}) as JsonObject },
  };
}

function toFinishReason(raw: string, called: boolean): FinishReason {
  const given = raw === '' ? {} : { raw };
  if (raw === 'length') return { unified: 'length', ...given };
  if (called) return { unified: 'tool_calls', ...given };
  return { unified: raw === 'stop' || raw === '' ? 'stop' : 'other', ...given };
}
