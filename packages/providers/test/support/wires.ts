import type { ProviderKind } from '../../src/index.ts';

/** Counts of a scenario, in our meaning. */
interface Counts {
  input: number;
  output: number;
  cacheRead: number;
  reasoning: number;
}

/** What one vendor sends, written from its documentation: a list of events per scenario, each complete. */
export interface Wire {
  contentType: string;
  baseUrl: (url: string) => string;
  /** Answers with texts and then counts; ends complete. */
  text(texts: readonly string[], counts: Counts): string[];
  /** Events of `text` that are the end of an answer: a stream without them is cut off. */
  endEvents: number;
  reasoning(thought: string, text: string): string[];
  toolCall(name: string, args: object): string[];
  /** Reached the limit of tokens. */
  length(text: string): string[];
  /** An event that reports overload in the middle of a stream. */
  fault: string;
  listing: unknown;
  error(status: number, word: string, message: string): unknown;
}

const sse = (data: unknown, event?: string) =>
  `${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const line = (data: unknown) => `${JSON.stringify(data)}\n`;

const openAiError = (_status: number, word: string, message: string) => ({
  error: { message, type: 'some_error', param: null, code: word },
});

const responses: Wire = (() => {
  const event = (type: string, fields: object = {}) => sse({ type, ...fields }, type);
  const done = (output: object[], counts?: Counts, extra: object = {}) =>
    event('response.completed', {
      response: {
        id: 'resp_1',
        model: 'm-1-dated',
        status: 'completed',
        output,
        usage: counts && {
          input_tokens: counts.input,
          input_tokens_details: { cached_tokens: counts.cacheRead },
          output_tokens: counts.output,
          output_tokens_details: { reasoning_tokens: counts.reasoning },
        },
        ...extra,
      },
    });
  const text = (delta: string) => event('response.output_text.delta', { delta });
  return {
    contentType: 'text/event-stream',
    baseUrl: (url) => `${url}/v1`,
    text: (texts, counts) => [event('response.created'), ...texts.map(text), done([], counts)],
    endEvents: 1,
    reasoning: (thought, answer) => [
      event('response.reasoning_summary_text.delta', { delta: thought }),
      text(answer),
      done([]),
    ],
    toolCall: (name, args) => {
      const item = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name, arguments: JSON.stringify(args) };
      return [
        event('response.output_item.added', { item: { ...item, arguments: '' } }),
        event('response.function_call_arguments.delta', { delta: item.arguments }),
        event('response.output_item.done', { item }),
        done([item]),
      ];
    },
    length: (answer) => [
      text(answer),
      event('response.incomplete', {
        response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [] },
      }),
    ],
    fault: event('response.failed', {
      response: { status: 'failed', error: { code: 'server_is_overloaded', message: 'busy' }, output: [] },
    }),
    listing: {
      object: 'list',
      data: [
        { id: 'm-1', object: 'model' },
        { id: 'm-2', object: 'model' },
      ],
    },
    error: openAiError,
  };
})();

const chat: Wire = (() => {
  const chunk = (delta: object, finish_reason: string | null = null) =>
    sse({ id: 'chatcmpl-1', model: 'm-1-dated', choices: [{ index: 0, delta, finish_reason }] });
  const end = sse('[DONE]');
  return {
    contentType: 'text/event-stream',
    baseUrl: (url) => `${url}/v1`,
    text: (texts, counts) => [
      ...texts.map((content) => chunk({ content })),
      chunk({}, 'stop'),
      sse({
        id: 'chatcmpl-1',
        model: 'm-1-dated',
        choices: [],
        usage: {
          prompt_tokens: counts.input,
          completion_tokens: counts.output,
          prompt_tokens_details: { cached_tokens: counts.cacheRead },
          completion_tokens_details: { reasoning_tokens: counts.reasoning },
        },
      }),
      end,
    ],
    endEvents: 3,
    reasoning: (thought, answer) => [
      chunk({ reasoning_content: thought }),
      chunk({ content: answer }),
      chunk({}, 'stop'),
      end,
    ],
    toolCall: (name, args) => {
      const text = JSON.stringify(args);
      const call = (fields: object) => chunk({ tool_calls: [{ index: 0, ...fields }] });
      return [
        call({ id: 'call_1', type: 'function', function: { name, arguments: '' } }),
        call({ function: { arguments: text.slice(0, 3) } }),
        call({ function: { arguments: text.slice(3) } }),
        chunk({}, 'tool_calls'),
        end,
      ];
    },
    length: (answer) => [chunk({ content: answer }), chunk({}, 'length'), end],
    fault: sse({ error: { message: 'busy', type: 'service_unavailable_error', code: 'server_is_overloaded' } }),
    listing: { object: 'list', data: [{ id: 'm-1', object: 'model', max_model_len: 4096 }, { id: 'm-2' }] },
    error: openAiError,
  };
})();

const anthropic: Wire = (() => {
  const event = (type: string, fields: object = {}) => sse({ type, ...fields }, type);
  const start = (usage: object = {}) =>
    event('message_start', { message: { id: 'msg_1', model: 'm-1-dated', role: 'assistant', content: [], usage } });
  const block = (index: number, content_block: object, ...deltas: object[]) => [
    event('content_block_start', { index, content_block }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ];
  const end = (stop_reason: string, usage: object = {}) => [
    event('message_delta', { delta: { stop_reason, stop_sequence: null }, usage }),
    event('message_stop'),
  ];
  const texts = (index: number, given: readonly string[]) =>
    block(index, { type: 'text', text: '' }, ...given.map((text) => ({ type: 'text_delta', text })));
  return {
    contentType: 'text/event-stream',
    baseUrl: (url) => url,
    text: (given, counts) => [
      start({
        input_tokens: counts.input - counts.cacheRead,
        cache_read_input_tokens: counts.cacheRead,
        output_tokens: 1,
      }),
      ...texts(0, given),
      ...end('end_turn', {
        input_tokens: null,
        output_tokens: counts.output,
        output_tokens_details: { thinking_tokens: counts.reasoning },
      }),
    ],
    endEvents: 2,
    reasoning: (thinking, answer) => [
      start(),
      ...block(
        0,
        { type: 'thinking', thinking: '', signature: '' },
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature: 'signed' },
      ),
      ...texts(1, [answer]),
      ...end('end_turn'),
    ],
    toolCall: (name, args) => {
      const text = JSON.stringify(args);
      const parts = [text.slice(0, 3), text.slice(3)].map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      }));
      return [start(), ...block(0, { type: 'tool_use', id: 'call_1', name, input: {} }, ...parts), ...end('tool_use')];
    },
    length: (answer) => [start(), ...texts(0, [answer]), ...end('max_tokens')],
    fault: event('error', { error: { type: 'overloaded_error', message: 'busy' } }),
    listing: {
      data: [{ type: 'model', id: 'm-1', display_name: 'M One', max_input_tokens: 4096 }, { id: 'm-2' }],
      has_more: false,
    },
    error: (_status, type, message) => ({ type: 'error', error: { type, message } }),
  };
})();

const google: Wire = (() => {
  const chunk = (parts: object[], finishReason?: string, usageMetadata?: object) =>
    sse({
      candidates: [{ index: 0, content: { role: 'model', parts }, ...(finishReason && { finishReason }) }],
      modelVersion: 'm-1-dated',
      responseId: 'r-1',
      ...(usageMetadata && { usageMetadata }),
    });
  return {
    contentType: 'text/event-stream',
    baseUrl: (url) => url,
    text: (texts, counts) => [
      ...texts.map((text) => chunk([{ text }])),
      chunk([{ text: '' }], 'STOP', {
        promptTokenCount: counts.input,
        cachedContentTokenCount: counts.cacheRead,
        candidatesTokenCount: counts.output - counts.reasoning,
        thoughtsTokenCount: counts.reasoning,
      }),
    ],
    endEvents: 1,
    reasoning: (text, answer) => [chunk([{ text, thought: true }]), chunk([{ text: answer }], 'STOP')],
    toolCall: (name, args) => [
      chunk([{ functionCall: { id: 'call_1', name, args }, thoughtSignature: 'c2lnbmVk' }]),
      chunk([], 'STOP'),
    ],
    length: (text) => [chunk([{ text }], 'MAX_TOKENS')],
    fault: sse({ error: { code: 503, message: 'busy', status: 'UNAVAILABLE' } }),
    listing: {
      models: [
        {
          name: 'models/m-1',
          displayName: 'M One',
          inputTokenLimit: 4096,
          supportedGenerationMethods: ['generateContent'],
        },
        { name: 'models/m-2' },
      ],
    },
    error: (code, word, message) => ({
      error: {
        code,
        message,
        status: word.toUpperCase(),
        details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: word.toUpperCase() }],
      },
    }),
  };
})();

const mistral: Wire = (() => {
  const chunk = (delta: object, finish_reason: string | null = null, usage?: object) =>
    sse({
      id: 'cmpl-1',
      object: 'chat.completion.chunk',
      model: 'm-1-dated',
      choices: [{ index: 0, delta, finish_reason }],
      ...(usage && { usage }),
    });
  const end = sse('[DONE]');
  return {
    contentType: 'text/event-stream',
    baseUrl: (url) => url,
    text: (texts, counts) => [
      ...texts.map((content) => chunk({ content })),
      chunk({ content: '' }, 'stop', {
        prompt_tokens: counts.input,
        completion_tokens: counts.output,
        total_tokens: counts.input + counts.output,
        prompt_tokens_details: { cached_tokens: counts.cacheRead },
      }),
      end,
    ],
    endEvents: 2,
    reasoning: (text, answer) => [
      chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] }),
      chunk({ content: answer }, 'stop'),
      end,
    ],
    toolCall: (name, args) => [
      chunk({ tool_calls: [{ id: 'abcdefgh1', function: { name, arguments: JSON.stringify(args) } }] }, 'tool_calls'),
      end,
    ],
    length: (content) => [chunk({ content }, 'length'), end],
    fault: sse({ object: 'error', message: 'busy', type: 'service_unavailable', code: 3505 }),
    listing: {
      object: 'list',
      data: [
        {
          id: 'm-1',
          type: 'base',
          object: 'model',
          created: 1,
          owned_by: 'mistralai',
          internal: false,
          max_context_length: 4096,
          capabilities: { completion_chat: true, function_calling: true },
        },
        { id: 'm-2', object: 'model' },
      ],
    },
    error: (_status, type, message) => ({ object: 'error', message, type, param: null, code: null }),
  };
})();

const ollama: Wire = (() => {
  const chunk = (message: object) =>
    line({ model: 'm-1-dated', message: { role: 'assistant', content: '', ...message }, done: false });
  const end = (done_reason: string, counts: object = {}) =>
    line({ model: 'm-1-dated', message: { role: 'assistant', content: '' }, done: true, done_reason, ...counts });
  return {
    contentType: 'application/x-ndjson',
    baseUrl: (url) => url,
    text: (texts, counts) => [
      ...texts.map((content) => chunk({ content })),
      end('stop', { prompt_eval_count: counts.input, eval_count: counts.output }),
    ],
    endEvents: 1,
    reasoning: (thinking, content) => [chunk({ thinking }), chunk({ content }), end('stop')],
    toolCall: (name, args) => [
      chunk({ tool_calls: [{ id: 'call_1', function: { name, arguments: args } }] }),
      end('stop'),
    ],
    length: (content) => [chunk({ content }), end('length')],
    fault: line({ error: 'the model runner has stopped' }),
    listing: {
      models: [
        { name: 'm-1', model: 'm-1' },
        { name: 'm-2:latest', model: 'm-2:latest' },
      ],
    },
    error: (_status, _word, message) => ({ error: message }),
  };
})();

export const wires: Record<ProviderKind, Wire> = {
  openai: responses,
  'openai-compatible': chat,
  anthropic,
  google,
  mistral,
  ollama,
};
