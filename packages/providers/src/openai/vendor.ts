import type { GenerationRequest, ListedModel, ModelInfo } from '@aimm/contracts';
import type { BatchLine } from '../adapter/batch-vendor.ts';
import { createClientSend } from '../adapter/batch-wire.ts';
import { readListing, sizeField, textField } from '../adapter/listing.ts';
import type { Transport } from '../adapter/transport.ts';
import { lazily, type PreparedCall, toCall, type Vendor } from '../adapter/vendor.ts';
import type { ProviderSettings } from '../model-provider.ts';
import { batchPaths, createOpenAiBatches } from './batches.ts';
import { type ChatDialect, toChatBody } from './chat-request.ts';
import { createChatMapper } from './chat-stream.ts';
import { openAiErrorRules } from './errors.ts';
import { toResponsesBody } from './responses-request.ts';
import { createResponsesMapper } from './responses-stream.ts';

/** How a server of OpenAI's wire departs from the next. */
export interface OpenAiDialect {
  kind: string;
  /** Which API serves models whose quirks do not say. */
  api: 'responses' | 'chat';
  baseUrl: string;
  schemaMode: boolean;
  listingNeedsKey: boolean;
  chat: ChatDialect;
  /** Whether it has OpenAI's files and batches. */
  batches: boolean;
}

export function createOpenAiVendor(settings: ProviderSettings, transport: Transport, dialect: OpenAiDialect): Vendor {
  const getClient = lazily(async () => {
    const { OpenAI } = await import('openai');
    return new OpenAI({
      // Everything the SDK would else read from the environment, the guard would else time, or we would else retry.
      apiKey: settings.apiKey || 'none',
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      baseURL: settings.baseUrl ?? dialect.baseUrl,
      defaultHeaders: { Authorization: settings.apiKey ? `Bearer ${settings.apiKey}` : null },
      fetch: transport.fetch,
      maxRetries: 0,
      timeout: 2_147_483_647,
      logLevel: 'off',
    });
  });

  const apiOf = (info: ModelInfo | undefined) => info?.quirks?.api ?? dialect.api;

  function prepare(request: GenerationRequest, info: ModelInfo | undefined): PreparedCall {
    const maker = { provider: settings.id, model: request.model };
    if (apiOf(info) === 'responses') {
      const { body, warnings } = toResponsesBody(settings.id, request, info);
      return toCall(warnings, createResponsesMapper(maker), async () => (await getClient()).responses.create(body));
    }
    const { body, warnings } = toChatBody(settings.id, request, info, dialect.chat);
    return toCall(warnings, createChatMapper(maker), async () => (await getClient()).chat.completions.create(body));
  }

  /** The body that `prepare` would send, but for the stream. */
  function toLine(request: GenerationRequest, info: ModelInfo | undefined): Promise<BatchLine> {
    const api = apiOf(info);
    const { body, warnings } =
      api === 'responses'
        ? toResponsesBody(settings.id, request, info)
        : toChatBody(settings.id, request, info, dialect.chat);
    const { stream: _stream, stream_options: _options, ...whole } = body;
    return Promise.resolve({ body: whole, warnings, group: batchPaths[api] });
  }

  return {
    kind: dialect.kind,
    load: getClient,
    prepare,
    async listModels() {
      const client = await getClient();
      // Not `models.list()`: it takes any answer for an empty page.
      const body = await client.get<unknown>('/models');
      return readListing(body, 'data', 'id').map(toListedModel);
    },
    ...(dialect.batches && { batches: createOpenAiBatches(createClientSend(getClient), toLine) }),
    errorRules: openAiErrorRules,
    schemaMode: dialect.schemaMode,
    listingNeedsKey: dialect.listingNeedsKey,
  };
}

/** OpenAI gives ids only; OpenRouter and vLLM say more. */
function toListedModel(entry: Record<string, unknown> & { id: string }): ListedModel {
  return {
    id: entry.id,
    ...textField('name', entry['name']),
    ...sizeField('contextWindow', entry['context_length'] ?? entry['max_model_len']),
  };
}
