import type { GenerationSettings } from '@aimm/contracts';
import type {
  CacheControlEphemeral,
  ContentBlockParam,
  MessageCreateParamsStreaming,
} from '@anthropic-ai/sdk/resources/messages/messages';

type Cached = Pick<MessageCreateParamsStreaming, 'system' | 'tools' | 'messages'>;

/**
 * Marks up to where the prompt is to be kept: after the tools, after the system prompt and after the last turn. Anthropic
 * takes four marks and reads the longest prefix that it still has.
 */
export function markPromptCache<B extends Cached>(body: B, hint: GenerationSettings['promptCache']): B {
  if (hint === undefined || hint === 'off') return body;
  const mark = { cache_control: { type: 'ephemeral', ...(hint !== 'auto' && { ttl: hint }) } } satisfies {
    cache_control: CacheControlEphemeral;
  };
  const { system, tools, messages } = body;
  return {
    ...body,
    ...(typeof system === 'string' && { system: [{ type: 'text', text: system, ...mark }] }),
    ...(tools !== undefined && {
      tools: tools.map((tool, index) => (index === tools.length - 1 ? { ...tool, ...mark } : tool)),
    }),
    messages: messages.map((message, index) =>
      index === messages.length - 1 && typeof message.content !== 'string'
        ? { ...message, content: markLast(message.content, mark) }
        : message,
    ),
  };
}

/** Thinking takes no mark: the block before it does. */
function markLast(
  blocks: readonly ContentBlockParam[],
  mark: { cache_control: CacheControlEphemeral },
): ContentBlockParam[] {
  const last = blocks.findLastIndex(({ type }) => type !== 'thinking' && type !== 'redacted_thinking');
  // What is left takes `cache_control`; the SDK's union does not say so.
  return blocks.map((block, index) => (index === last ? ({ ...block, ...mark } as ContentBlockParam) : block));
}
