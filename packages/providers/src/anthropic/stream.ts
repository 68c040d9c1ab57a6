import type { FinishReason, JsonObject, Usage } from '@aimm/contracts';
import type {
  MessageDeltaUsage,
  RawMessageStreamEvent,
  Usage as StartUsage,
} from '@anthropic-ai/sdk/resources/messages/messages';
import { parseArguments, warnBrokenCall } from '../adapter/conversation.ts';
import { sumOf, toUsage } from '../adapter/usage.ts';
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';

type OpenBlock =
  | { type: 'tool_use'; id: string; name: string; json: string }
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string }
  | { type: 'other' };

type Delta = Extract<RawMessageStreamEvent, { type: 'content_block_delta' }>['delta'];
type StartBlock = Extract<RawMessageStreamEvent, { type: 'content_block_start' }>['content_block'];
/** Whatever of the counts came so far. */
type Counts = Partial<Omit<StartUsage, 'input_tokens'> & Pick<MessageDeltaUsage, 'input_tokens'>>;

/** Events of the Messages API: blocks open, grow and close by index; counts come first and last. */
export function createMessagesMapper(): EventMapper<RawMessageStreamEvent> {
  const blocks = new Map<number, OpenBlock>();
  let thoughts: JsonObject[] = [];
  let counts: Counts = {};
  /** Of the output as the answer began: it counts where no later count comes. */
  let opening: Counts['output_tokens'];
  let reason: string | undefined;
  let stopped = false;
  let known: CallFacts = {};

  /** Later counts win; null says nothing. */
  function count(usage: Counts | undefined): void {
    if (usage === undefined) return;
    counts = { ...counts, ...Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null)) };
    const serviceTier = toServiceTier(counts);
    known = { ...known, usage: toMessagesUsage(counts), ...(serviceTier !== undefined && { serviceTier }) };
  }

  /** What is said of the output here leaves out all that follows, and thinking may go on for minutes without a word. */
  function countOpening(usage: Counts | undefined): void {
    if (usage === undefined) return;
    const { output_tokens, output_tokens_details: _details, ...others } = usage;
    opening = output_tokens;
    count(others);
  }

  function close(block: OpenBlock | undefined): ContentPart[] {
    if (block?.type === 'thinking' && block.signature !== '') thoughts.push({ ...block });
    if (block?.type === 'redacted_thinking') thoughts.push({ ...block });
    if (block?.type !== 'tool_use') return [];
    const parsed = parseArguments(block.json);
    if (parsed === undefined) return [{ type: 'warning', warning: warnBrokenCall(block.name) }];
    const vendor = thoughts.length === 0 ? {} : { vendor: { anthropic: { thinking: thoughts } } };
    thoughts = [];
    return [
      { type: 'tool_call', call: { type: 'tool_call', id: block.id, name: block.name, arguments: parsed, ...vendor } },
    ];
  }

  return {
    map(event) {
      switch (event.type) {
        case 'message_start':
          known = {
            ...(event.message.model && { answeredBy: event.message.model }),
            ...(event.message.id && { vendorRequestId: event.message.id }),
          };
          countOpening(event.message.usage);
          return [];
        case 'content_block_start':
          blocks.set(event.index, openBlock(event.content_block));
          return event.content_block.type === 'text' && event.content_block.text
            ? [{ type: 'text', text: event.content_block.text }]
            : [];
        case 'content_block_delta':
          return growBlock(blocks.get(event.index), event.delta);
        case 'content_block_stop':
          return close(blocks.get(event.index));
        case 'message_delta':
          reason = event.delta.stop_reason ?? reason;
          count(event.usage);
          return [];
        case 'message_stop':
          stopped = true;
          if (opening !== undefined && counts.output_tokens === undefined) count({ output_tokens: opening });
          return [];
        default:
          return [];
      }
    },
    facts: () => known,
    finish: () => (stopped ? toFinishReason(reason) : undefined),
  };
}

function openBlock(block: StartBlock): OpenBlock {
  switch (block.type) {
    case 'tool_use':
      return { type: 'tool_use', id: block.id, name: block.name, json: '' };
    case 'thinking':
      return { type: 'thinking', thinking: block.thinking ?? '', signature: block.signature ?? '' };
    case 'redacted_thinking':
      return { type: 'redacted_thinking', data: block.data };
    default:
      return { type: 'other' };
  }
}

function growBlock(block: OpenBlock | undefined, delta: Delta): ContentPart[] {
  switch (delta.type) {
    case 'text_delta':
      return [{ type: 'text', text: delta.text }];
    case 'thinking_delta':
      if (block?.type === 'thinking') block.thinking += delta.thinking;
      return [{ type: 'reasoning', text: delta.thinking }];
    case 'signature_delta':
      if (block?.type === 'thinking') block.signature += delta.signature;
      return [{ type: 'reasoning', text: '', signature: delta.signature }];
    case 'input_json_delta':
      if (block?.type === 'tool_use') block.json += delta.partial_json;
      return [];
    default:
      return [];
  }
}

function toFinishReason(raw: string | undefined): FinishReason {
  switch (raw) {
    case 'end_turn':
    case 'stop_sequence':
    case 'pause_turn':
      return { unified: 'stop', raw };
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return { unified: 'length', raw };
    case 'tool_use':
      return { unified: 'tool_calls', raw };
    case 'refusal':
      return { unified: 'content_filter', raw };
    default:
      return { unified: 'other', ...(raw !== undefined && { raw }) };
  }
}

/** Fast mode is dearer within whichever tier. */
function toServiceTier({ service_tier: tier, speed }: Counts): string | undefined {
  return speed === 'fast' ? 'fast' : (tier ?? undefined);
}

/** Anthropic's `input_tokens` leaves cached ones out. */
function toMessagesUsage(counts: Counts): Usage {
  return toUsage({
    input: sumOf(counts.input_tokens, counts.cache_creation_input_tokens, counts.cache_read_input_tokens),
    output: counts.output_tokens,
    cacheRead: counts.cache_read_input_tokens,
    cacheWrite: counts.cache_creation_input_tokens,
    reasoning: counts.output_tokens_details?.thinking_tokens,
  });
}
