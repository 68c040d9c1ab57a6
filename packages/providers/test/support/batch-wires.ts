import type { ProviderKind } from '../../src/index.ts';

export type BatchKind = Extract<ProviderKind, 'openai' | 'anthropic' | 'google' | 'mistral'>;

interface Counts {
  input: number;
  output: number;
  cacheRead: number;
  reasoning: number;
}

/** The same scenarios as a `Wire`, each as one whole answer, as batches bring them. */
export interface WholeWire {
  text(text: string, counts: Counts): object;
  reasoning(thought: string, text: string): object;
  toolCall(name: string, args: object): object;
  length(text: string): object;
}

const openai: WholeWire = (() => {
  const response = (output: object[], more: object = {}) => ({
    id: 'resp_1',
    object: 'response',
    model: 'm-1-dated',
    status: 'completed',
    service_tier: 'default',
    output,
    ...more,
  });
  const message = (text: string) => ({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] });
  return {
    text: (text, counts) =>
      response([message(text)], {
        usage: {
          input_tokens: counts.input,
          input_tokens_details: { cached_tokens: counts.cacheRead },
          output_tokens: counts.output,
          output_tokens_details: { reasoning_tokens: counts.reasoning },
        },
      }),
    reasoning: (thought, text) =>
      response([{ type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: thought }] }, message(text)]),
    toolCall: (name, args) =>
      response([{ type: 'function_call', id: 'fc_1', call_id: 'call_1', name, arguments: JSON.stringify(args) }]),
    length: (text) =>
      response([message(text)], { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }),
  };
})();

const anthropic: WholeWire = (() => {
  const message = (content: object[], stop_reason = 'end_turn', usage: object = {}) => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm-1-dated',
    content,
    stop_reason,
    stop_sequence: null,
    usage: { ...usage, service_tier: 'batch' },
  });
  return {
    text: (text, counts) =>
      message([{ type: 'text', text }], 'end_turn', {
        input_tokens: counts.input - counts.cacheRead,
        cache_read_input_tokens: counts.cacheRead,
        output_tokens: counts.output,
        output_tokens_details: { thinking_tokens: counts.reasoning },
      }),
    reasoning: (thinking, text) =>
      message([
        { type: 'thinking', thinking, signature: 'signed' },
        { type: 'text', text },
      ]),
    toolCall: (name, input) => message([{ type: 'tool_use', id: 'call_1', name, input }], 'tool_use'),
    length: (text) => message([{ type: 'text', text }], 'max_tokens'),
  };
})();

const google: WholeWire = (() => {
  const answer = (parts: object[], finishReason = 'STOP', usageMetadata?: object) => ({
    candidates: [{ index: 0, content: { role: 'model', parts }, finishReason }],
    modelVersion: 'm-1-dated',
    responseId: 'r-1',
    ...(usageMetadata && { usageMetadata }),
  });
  return {
    text: (text, counts) =>
      answer([{ text }], 'STOP', {
        promptTokenCount: counts.input,
        cachedContentTokenCount: counts.cacheRead,
        candidatesTokenCount: counts.output - counts.reasoning,
        thoughtsTokenCount: counts.reasoning,
      }),
    reasoning: (text, said) => answer([{ text, thought: true }, { text: said }]),
    toolCall: (name, args) => answer([{ functionCall: { id: 'call_1', name, args }, thoughtSignature: 'c2lnbmVk' }]),
    length: (text) => answer([{ text }], 'MAX_TOKENS'),
  };
})();

const mistral: WholeWire = (() => {
  const completion = (
    message: object,
    finish_reason = 'stop',
    usage: object = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  ) => ({
    id: 'cmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm-1-dated',
    choices: [{ index: 0, message: { role: 'assistant', content: '', ...message }, finish_reason }],
    usage,
  });
  return {
    text: (content, counts) =>
      completion({ content }, 'stop', {
        prompt_tokens: counts.input,
        completion_tokens: counts.output,
        total_tokens: counts.input + counts.output,
        prompt_tokens_details: { cached_tokens: counts.cacheRead },
      }),
    reasoning: (text, said) =>
      completion({
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text }] },
          { type: 'text', text: said },
        ],
      }),
    toolCall: (name, args) =>
      completion(
        { tool_calls: [{ id: 'abcdefgh1', function: { name, arguments: JSON.stringify(args) } }] },
        'tool_calls',
      ),
    length: (content) => completion({ content }, 'length'),
  };
})();

export const wholeWires: Record<BatchKind, WholeWire> = { openai, anthropic, google, mistral };
