import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ModelInfo } from '@aimm/contracts';
import { type ChatCompletionRequest, LLMock, type Mountable } from '@copilotkit/aimock';
import { composeDemoAnswer } from './demo-answer.ts';
import { createDemoBatches } from './demo-batches.ts';
import { modelListings } from './model-lists.ts';
import { answerOllamaChat } from './ollama-chat.ts';

/** A provider that the demo stands in for, and the models that it lists. */
export interface DemoProvider {
  id: string;
  kind: string;
  /** The variable of its key; absent where it has none. */
  keyVariable?: string | undefined;
  baseUrlVariable: string;
  models: readonly ModelInfo[];
}

export interface DemoUpstream {
  readonly url: string;
  /** What turns a worker's providers to the demo: keys, endpoints, and the mark by which everything is labelled. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** How fast the stand-ins talk: they differ, so that comparisons have something to show. */
const paces = [
  { model: /^(gpt|o\d|chatgpt)/, ttft: 240, tps: 24 },
  { model: /^claude/, ttft: 320, tps: 20 },
  { model: /^gemini/, ttft: 160, tps: 30 },
  { model: /stral/, ttft: 200, tps: 27 },
  { model: /./, ttft: 280, tps: 22 },
];
const ollamaPace = { firstMs: 120, nextMs: 60 };

/** Serves every vendor's wire on a free loopback port with pleasant answers to any prompt. */
export async function startDemoUpstream(providers: readonly DemoProvider[]): Promise<DemoUpstream> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 20, journalMaxEntries: 10 });
  for (const { model, ttft, tps } of paces) {
    mock.on({ model, endpoint: 'chat' }, respond, { streamingProfile: { ttft, tps, jitter: 0.3 } });
  }
  const byKey = new Map(providers.map((provider) => [demoKey(provider), provider]));
  const ofKind = (kind: string) => providers.find((provider) => provider.kind === kind);
  // OpenAI, Anthropic and Mistral ask at the same path: the demo key tells who asks.
  mock.mount(
    '/v1/models',
    listModels((request) => byKey.get(keyOf(request)) ?? ofKind('openai')),
  );
  mock.mount(
    '/v1beta/models',
    listModels(() => ofKind('google')),
  );
  mock.mount(
    '/api',
    ollamaRoutes(() => ofKind('ollama')),
  );
  const { files, batches } = createDemoBatches();
  mock.mount('/v1/files', files);
  mock.mount('/v1/batches', batches);
  const url = await mock.start();

  const environment: Record<string, string> = { AIMM_DEMO_ACTIVE: '1' };
  for (const provider of providers) {
    environment[provider.baseUrlVariable] = provider.kind.startsWith('openai') ? `${url}/v1` : url;
    if (provider.keyVariable !== undefined) environment[provider.keyVariable] = demoKey(provider);
  }
  return { url, environment, close: () => mock.stop() };
}

function respond(request: ChatCompletionRequest) {
  // Mistral's streams bring their usage unasked; aimock sends it only on demand.
  if (request.stream) request.stream_options = { ...request.stream_options, include_usage: true };
  const last = request.messages.findLast((message) => message.role === 'user')?.content ?? '';
  const prompt = typeof last === 'string' ? last : last.map((part) => part.text ?? '').join(' ');
  const { text, inputTokens, outputTokens } = composeDemoAnswer(request.model, prompt);
  return { content: text, usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens } };
}

function listModels(find: (request: IncomingMessage) => DemoProvider | undefined): Mountable {
  return {
    handleRequest: async (request, response, path) => {
      const provider = find(request);
      const listing = provider && modelListings[provider.kind];
      if (request.method !== 'GET' || provider === undefined || listing === undefined) return false;
      const id = decodeURIComponent(path.replace(/^\//, ''));
      const model = provider.models.find((candidate) => candidate.id === id);
      if (id === '') sendJson(response, 200, listing.list(provider.models));
      else if (model === undefined)
        sendJson(response, 404, { error: { type: 'not_found_error', message: 'no such model' } });
      else sendJson(response, 200, listing.one(model));
      return true;
    },
  };
}

function ollamaRoutes(find: () => DemoProvider | undefined): Mountable {
  return {
    handleRequest: async (request, response, path) => {
      const listing = modelListings['ollama'];
      const models = find()?.models ?? [];
      if (path === '/chat') await answerOllamaChat(request, response, ollamaPace);
      else if (path === '/tags') sendJson(response, 200, listing?.list(models) ?? {});
      else if (path === '/ps') sendJson(response, 200, { models: [] });
      else if (path === '/version') sendJson(response, 200, { version: '0.0.0-demo' });
      else if (path === '/show' && models[0] !== undefined) sendJson(response, 200, listing?.one(models[0]) ?? {});
      else return false;
      return true;
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function demoKey(provider: Pick<DemoProvider, 'id'>): string {
  return `demo-${provider.id}`;
}

function keyOf(request: IncomingMessage): string {
  const headers = request.headers;
  const value = headers['x-api-key'] ?? headers['x-goog-api-key'] ?? headers.authorization?.replace(/^Bearer /, '');
  return typeof value === 'string' ? value : '';
}
