import { EventEmitter, once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ChatCompletionRequest, LLMock, type Mountable } from '@copilotkit/aimock';

/** The five vendors, each with its default model of the catalog. */
export const vendorModels = {
  openai: 'openai/gpt-6.1-terra',
  anthropic: 'anthropic/claude-sonnet-5-5',
  google: 'google/gemini-3.8-flash',
  mistral: 'mistral/mistral-medium-3-5',
  ollama: 'ollama/llama3.2',
} as const;
export type Vendor = keyof typeof vendorModels;
export const vendors = Object.keys(vendorModels) as Vendor[];

/** Keys that must come out nowhere. */
export const plantedKeys = {
  OPENAI_API_KEY: 'sk-proj-planted-OpenAi/7Qz+x',
  ANTHROPIC_API_KEY: 'sk-ant-planted-Claude-4Tw',
  GOOGLE_API_KEY: 'AIza-planted-Gemini-9Lk',
  MISTRAL_API_KEY: 'planted-Mistral-2Vb-key',
} as const;

/** One generation as the vendor's side saw it. */
export interface VendorCall {
  vendor: Vendor;
  model: string;
  /** The last user turn. */
  prompt: string;
}

export type VendorAnswer =
  | { text: string; inputTokens: number; outputTokens: number }
  | { error: { message: string; type: string; code?: string }; status: number };

/** What the vendors say to a call. */
export type Script = (call: VendorCall) => VendorAnswer;

/** The HTTP side of all five vendors on loopback. */
export interface Vendors {
  /** Keys, endpoints and limits that do not slow the tests down. */
  readonly environment: Readonly<Record<string, string>>;
  /** Every generation that arrived, in the order it did. */
  calls(): VendorCall[];
  /** Resolves when this many generations have arrived in all. */
  arrived(count: number): Promise<void>;
  say(script: Script): void;
  stop(): Promise<void>;
}

/** Twelve words, so that every stream has many pieces; different for each model. */
export const recite: Script = ({ model, prompt }) => ({
  text: `${model} was asked ${prompt.length} letters and says: one two three four five six seven.`,
  inputTokens: 100 + prompt.length,
  outputTokens: 20 + model.length,
});

const pieceChars = 8;
const pieceEveryMs = 15;

export async function startVendors(): Promise<Vendors> {
  let script = recite;
  const calls: VendorCall[] = [];
  const arrivals = new EventEmitter();
  const answerTo = (call: VendorCall) => {
    calls.push(call);
    arrivals.emit('call');
    return script(call);
  };
  const options = { port: 0, host: '127.0.0.1', logLevel: 'silent', strict: true } as const;
  const pace = { chunkSize: pieceChars, latency: pieceEveryMs };
  const mock = new LLMock({ ...options, ...pace, auth: { apiKeys: Object.values(plantedKeys) } });
  // A server of its own: this vendor knows no keys.
  const keyless = new LLMock(options);
  const respond = (vendorOf: (request: ChatCompletionRequest) => Vendor) => (request: ChatCompletionRequest) => {
    // Mistral's streams bring their counts unasked; aimock sends them on demand only.
    if (request.stream === true) request.stream_options = { ...request.stream_options, include_usage: true };
    const answer = answerTo({ vendor: vendorOf(request), model: request.model, prompt: toPrompt(request.messages) });
    if ('error' in answer) return answer;
    const { inputTokens, outputTokens } = answer;
    return { content: answer.text, usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens } };
  };
  mock.on(
    { model: /^claude/, endpoint: 'chat' },
    respond(() => 'anthropic'),
  );
  mock.on(
    { model: /^gemini/, endpoint: 'chat' },
    respond(() => 'google'),
  );
  mock.on(
    { model: /stral/, endpoint: 'chat' },
    respond(() => 'mistral'),
  );
  mock.on(
    { model: /./, endpoint: 'chat' },
    respond(() => 'openai'),
  );
  mock.mount('/v1/models', openAiModels);
  mock.mount('/v1beta/models', geminiModels);
  keyless.mount('/api', ollama(answerTo));
  const [url, ollamaUrl] = await Promise.all([mock.start(), keyless.start()]);

  const limits = vendors.map((vendor) => vendor.toUpperCase());
  return {
    environment: {
      ...plantedKeys,
      OPENAI_BASE_URL: `${url}/v1`,
      ANTHROPIC_BASE_URL: url,
      GOOGLE_BASE_URL: url,
      MISTRAL_BASE_URL: url,
      OLLAMA_BASE_URL: ollamaUrl,
      ...Object.fromEntries(limits.map((name) => [`${name}_RPM`, '10000000'])),
      ...Object.fromEntries(limits.map((name) => [`${name}_TPM`, '10000000000'])),
      ...Object.fromEntries(limits.map((name) => [`${name}_CONCURRENCY`, '50'])),
    },
    calls: () => [...calls],
    async arrived(count) {
      while (calls.length < count) await once(arrivals, 'call');
    },
    say: (next) => void (script = next),
    async stop() {
      await mock.stop();
      await keyless.stop();
    },
  };
}

function toPrompt(messages: ChatCompletionRequest['messages']): string {
  const content = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');
}

const idOf = (model: string) => model.slice(model.indexOf('/') + 1);

/** One shape serves OpenAI, Anthropic and Mistral: each SDK reads the fields it knows. */
const openAiModels: Mountable = {
  handleRequest: async (request, response, path) => {
    if (request.method !== 'GET') return false;
    const cards = ['openai', 'anthropic', 'mistral'].map((vendor) => {
      const id = idOf(vendorModels[vendor as Vendor]);
      return { id, object: 'model', type: 'model', created: 1, created_at: '2026-01-01T00:00:00Z', display_name: id };
    });
    const known = cards.find(({ id }) => path === `/${id}`);
    if (path === '/' || path === '') sendJson(response, { object: 'list', data: cards, has_more: false });
    else if (known === undefined) return false;
    else sendJson(response, known);
    return true;
  },
};

const geminiModels: Mountable = {
  handleRequest: async (request, response, path) => {
    const id = idOf(vendorModels.google);
    const card = { name: `models/${id}`, displayName: id, supportedGenerationMethods: ['generateContent'] };
    if (request.method !== 'GET') return false;
    if (path === '/' || path === '') sendJson(response, { models: [card] });
    else if (path === `/${id}`) sendJson(response, card);
    else return false;
    return true;
  },
};

/** Ollama's own, since aimock's reports no counts. */
function ollama(answerTo: (call: VendorCall) => VendorAnswer): Mountable {
  const chat = async (request: IncomingMessage, response: ServerResponse) => {
    const { model, messages } = JSON.parse(await text(request)) as Pick<ChatCompletionRequest, 'model' | 'messages'>;
    const answer = answerTo({ vendor: 'ollama', model, prompt: toPrompt(messages) });
    if ('error' in answer) return sendJson(response, { error: answer.error.message }, answer.status);
    const line = (content: string, more: object) =>
      response.write(
        `${JSON.stringify({ model, created_at: '', message: { role: 'assistant', content }, ...more })}\n`,
      );
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const piece of answer.text.match(new RegExp(`.{1,${pieceChars}}`, 'gs')) ?? []) {
      line(piece, { done: false });
      await delay(pieceEveryMs);
    }
    const counts = { prompt_eval_count: answer.inputTokens, eval_count: answer.outputTokens };
    line('', { done: true, done_reason: 'stop', ...counts });
    response.end();
  };
  const name = idOf(vendorModels.ollama);
  return {
    handleRequest: async (request, response, path) => {
      if (path === '/chat') await chat(request, response);
      else if (path === '/tags') sendJson(response, { models: [{ name, model: name, details: {} }] });
      else if (path === '/show') sendJson(response, { capabilities: ['completion'], details: {}, model_info: {} });
      else if (path === '/version') sendJson(response, { version: '0.0.0' });
      else return false;
      return true;
    },
  };
}

function sendJson(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
