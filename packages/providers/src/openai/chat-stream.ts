import type { FinishReason, JsonObject, Usage } from '@aimm/contracts';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { createCallId } from '../adapter/call-id.ts';
import { parseArguments, warnBrokenCall } from '../adapter/conversation.ts';
import type { Maker } from '../adapter/kept.ts';
import { StreamFault } from '../adapter/stream-fault.ts';
import { sumOf, toUsage } from '../adapter/usage.ts';
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';
import { chatKeeper, createReasoningKeeper, findExtra } from './chat-reasoning.ts';

type Delta = ChatCompletionChunk.Choice.Delta;
/** What OpenRouter and others end an answer with that broke on their side. */
const failedAnswer = { code: 'server_error', message: 'finish_reason error' };
type OpenCall = { index: number; id: string; name: string; text: string; extra: JsonObject };

/**
 * Chunks of Chat Completions. Usage comes in a chunk of its own after the one with the finish reason, if at all. `maker` is
 * noted with what a call keeps of its reasoning.
 */
export function createChatMapper(maker?: Maker): EventMapper<ChatCompletionChunk> {
  const reasoning = createReasoningKeeper();
  const calls: OpenCall[] = [];
  let reason: string | undefined;
  let refused = false;
  let known: CallFacts = {};

  function append(fragment: NonNullable<Delta['tool_calls']>[number]): void {
    const open = calls.findLast(({ index }) => index === fragment.index);
    const continues = open !== undefined && (!fragment.id || fragment.id === open.id);
    const call = continues
      ? open
      : { index: fragment.index, id: fragment.id || createCallId(), name: '', text: '', extra: {} };
    if (!continues) calls.push(call);
    if (call.name === '') call.name = fragment.function?.name ?? '';
    call.text += fragment.function?.arguments ?? '';
    call.extra = { ...call.extra, ...findExtra(fragment) };
  }

  function mapDelta(delta: Delta): ContentPart[] {
    const parts: ContentPart[] = [];
    const thought = reasoning.add(delta);
    if (thought !== '') parts.push({ type: 'reasoning', text: thought });
    if (typeof delta.content === 'string' && delta.content !== '') parts.push({ type: 'text', text: delta.content });
    if (delta.refusal) {
      refused = true;
      parts.push({ type: 'text', text: delta.refusal });
    }
    delta.tool_calls?.forEach(append);
    return parts;
  }

  function toPart({ id, name, text, extra }: OpenCall): ContentPart {
    const parsed = parseArguments(text);
    if (parsed === undefined) return { type: 'warning', warning: warnBrokenCall(name) };
    const kept = { ...reasoning.take(), ...extra };
    const vendor = Object.keys(kept).length === 0 ? {} : { vendor: { [chatKeeper]: { ...maker, ...kept } } };
    return { type: 'tool_call', call: { type: 'tool_call', id, name, arguments: parsed, ...vendor } };
  }

  return {
    map(chunk) {
      known = {
        ...known,
        ...(chunk.model && { answeredBy: chunk.model }),
        ...(chunk.id && { vendorRequestId: chunk.id }),
        ...(chunk.service_tier && { serviceTier: chunk.service_tier }),
        ...(chunk.usage && { usage: toChatUsage(chunk.usage) }),
      };
      const choice = chunk.choices?.[0];
      if (choice === undefined) return [];
      const parts = choice.delta ? mapDelta(choice.delta) : [];
      if (choice.finish_reason && reason === undefined) {
        // Thrown before it counts as an end: no failure is an answer.
        if (`${choice.finish_reason}` === 'error') throw new StreamFault(failedAnswer);
        reason = choice.finish_reason;
        parts.push(...calls.map(toPart));
      }
      return parts;
    },
    facts: () => known,
    finish: () => (reason === undefined ? undefined : toFinishReason(reason, calls.length > 0, refused)),
  };
}

function toFinishReason(raw: string, called: boolean, refused: boolean): FinishReason {
  if (refused || raw === 'content_filter') return { unified: 'content_filter', raw };
  if (raw === 'length') return { unified: 'length', raw };
  if (called || raw === 'tool_calls' || raw === 'function_call') return { unified: 'tool_calls', raw };
  return { unified: raw === 'stop' ? 'stop' : 'other', raw };
}

type ChatUsage = NonNullable<ChatCompletionChunk['usage']>;

function toChatUsage(usage: ChatUsage): Usage {
  return toUsage({
    input: usage.prompt_tokens,
    output: isReasoningBeside(usage) ? sumOf(usage.completion_tokens, reasoningOf(usage)) : usage.completion_tokens,
    cacheRead: usage.prompt_tokens_details?.cached_tokens,
    cacheWrite: usage.prompt_tokens_details?.cache_write_tokens,
    reasoning: reasoningOf(usage),
  });
}

function reasoningOf({ completion_tokens_details: details }: ChatUsage): number | undefined {
  return details?.reasoning_tokens ?? undefined;
}

/** OpenAI's completion tokens hold those of the reasoning; xAI's do not, which its total shows. */
function isReasoningBeside(usage: ChatUsage): boolean {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage;
  const reasoning = reasoningOf(usage) ?? 0;
  return reasoning > 0 && (total === undefined ? reasoning > output : total === input + output + reasoning);
}
