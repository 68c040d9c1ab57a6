import type { FinishReason, JsonObject, Usage } from '@aimm/contracts';
import type {
  Response,
  ResponseFunctionToolCall,
  ResponseOutputItem,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import { parseArguments, warnBrokenCall } from '../adapter/conversation.ts';
import type { Maker } from '../adapter/kept.ts';
import { StreamFault } from '../adapter/stream-fault.ts';
import { toUsage } from '../adapter/usage.ts';
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';

/** Under this name reasoning is kept with the calls. */
export const responsesKeeper = 'openai';

/**
 * Events of the Responses API. The last carries the whole response: its status decides, not the event's name. `maker` is
 * noted with what a call keeps of its reasoning.
 */
export function createResponsesMapper(maker?: Maker): EventMapper<ResponseStreamEvent> {
  const called = new Set<string>();
  let reasoning: JsonObject[] = [];
  let refused = false;
  let known: CallFacts = {};
  let end: FinishReason | undefined;

  /** An early response has the tier that was asked for, the last one the tier that answered. */
  function note({ model, id, service_tier: tier, usage }: Partial<Response>): void {
    known = {
      ...known,
      ...(model && { answeredBy: model }),
      ...(id && { vendorRequestId: id }),
      ...(tier && { serviceTier: tier }),
      ...(usage && { usage: toResponsesUsage(usage) }),
    };
  }

  function mapCall(call: ResponseFunctionToolCall): ContentPart[] {
    if (called.has(call.call_id)) return [];
    called.add(call.call_id);
    const parsed = parseArguments(call.arguments);
    if (parsed === undefined) return [{ type: 'warning', warning: warnBrokenCall(call.name) }];
    const vendor = reasoning.length === 0 ? {} : { vendor: { [responsesKeeper]: { ...maker, reasoning } } };
    reasoning = [];
    return [
      {
        type: 'tool_call',
        call: { type: 'tool_call', id: call.call_id, name: call.name, arguments: parsed, ...vendor },
      },
    ];
  }

  function mapItem(item: ResponseOutputItem): ContentPart[] {
    if (item.type === 'function_call') return mapCall(item);
    if (item.type === 'reasoning' && item.encrypted_content) {
      const { id, summary, encrypted_content } = item;
      const texts = summary.map(({ text }) => ({ type: 'summary_text', text }));
      reasoning.push({ type: 'reasoning', id, summary: texts, encrypted_content });
    }
    return [];
  }

  function close(response: Response): ContentPart[] {
    note(response);
    if (response.status === 'failed') throw new StreamFault(response.error ?? { code: 'server_error' });
    const late = (response.output ?? []).flatMap((item) => (item.type === 'function_call' ? mapCall(item) : []));
    end = toFinishReason(response, called.size > 0, refused);
    return late;
  }

  return {
    map(event) {
      switch (event.type) {
        case 'response.output_text.delta':
          return [{ type: 'text', text: event.delta }];
        case 'response.refusal.delta':
          refused = true;
          return [{ type: 'text', text: event.delta }];
        case 'response.created':
          note(event.response ?? {});
          return [];
        case 'response.reasoning_summary_part.added':
          // A summary is a list of paragraphs.
          return event.summary_index > 0 ? [{ type: 'reasoning', text: '\n\n' }] : [];
        case 'response.reasoning_summary_text.delta':
        case 'response.reasoning_text.delta':
          return [{ type: 'reasoning', text: event.delta }];
        case 'response.output_item.done':
          return mapItem(event.item);
        case 'response.completed':
        case 'response.incomplete':
        case 'response.failed':
          return close(event.response);
        case 'error':
          throw new StreamFault(event);
        default:
          return [];
      }
    },
    facts: () => known,
    finish: () => end,
  };
}

function toFinishReason(response: Response, called: boolean, refused: boolean): FinishReason {
  const reason = response.incomplete_details?.reason;
  if (response.status === 'incomplete') {
    // Servers that stand in for OpenAI leave the reason out; the limit is the common one.
    const unified = reason === undefined || reason === 'max_output_tokens' ? 'length' : undefined;
    return { unified: unified ?? (reason === 'content_filter' ? reason : 'other'), raw: reason ?? 'incomplete' };
  }
  const raw = response.status ?? 'completed';
  if (raw !== 'completed') return { unified: 'other', raw };
  if (called) return { unified: 'tool_calls', raw };
  return { unified: refused ? 'content_filter' : 'stop', raw };
}

function toResponsesUsage(usage: NonNullable<Response['usage']>): Usage {
  return toUsage({
    input: usage.input_tokens,
    output: usage.output_tokens,
    // Compatible servers leave the details out, whatever the types say.
    cacheRead: usage.input_tokens_details?.cached_tokens,
    cacheWrite: usage.input_tokens_details?.cache_write_tokens,
    reasoning: usage.output_tokens_details?.reasoning_tokens,
  });
}
