import type { ListedModel } from '@aimm/contracts';
import { createAnthropicBatches } from './anthropic/batches.ts';
import { anthropicErrorRules } from './anthropic/errors.ts';
import { toMessagesBody } from './anthropic/request.ts';
import { createMessagesMapper } from './anthropic/stream.ts';
import { assembleProvider } from './adapter/assemble-provider.ts';
import { createClientSend } from './adapter/batch-wire.ts';
import { isObject } from './adapter/error-body.ts';
import { readListing, sizeField, textField } from './adapter/listing.ts';
import type { Transport } from './adapter/transport.ts';
import { lazily, toCall, type Vendor } from './adapter/vendor.ts';
import type { ProviderFactory, ProviderSettings } from './model-provider.ts';

/** Anthropic's Messages API. */
export const createAnthropicProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) => createVendor(settings, transport));

function createVendor(settings: ProviderSettings, transport: Transport): Vendor {
  const getClient = lazily(async () => {
    const { Anthropic } = await import('@anthropic-ai/sdk');
    return new Anthropic({
      // A key given here keeps the SDK from looking for others in the environment and in files.
      apiKey: settings.apiKey || 'none',
      baseURL: settings.baseUrl ?? 'https://api.anthropic.com',
      fetch: transport.fetch,
      maxRetries: 0,
      timeout: 2_147_483_647,
      openTelemetry: false,
      logLevel: 'off',
      logger: silentLogger,
    });
  });

  return {
    kind: 'anthropic',
    load: getClient,
    prepare(request, info) {
      const { body, headers, warnings } = toMessagesBody(settings.id, request, info);
      const send = async () => (await getClient()).messages.create(body, { headers });
      return toCall(warnings, createMessagesMapper(), send);
    },
    async listModels() {
      const client = await getClient();
      const models: ListedModel[] = [];
      let after: string | undefined;
      do {
        // Not `models.list()`: it takes any answer for an empty page.
        const body = await client.get<unknown>('/v1/models', {
          query: { limit: 1000, ...(after !== undefined && { after_id: after }) },
        });
        const page = readListing(body, 'data', 'id').map(toListedModel);
        models.push(...page);
        after = isObject(body) && body['has_more'] === true ? page.at(-1)?.id : undefined;
      } while (after !== undefined);
      return models;
    },
    async getModel(model) {
      const client = await getClient();
      const body = await client.get<unknown>(`/v1/models/${encodeURIComponent(model)}`);
      const [found] = readListing({ data: [body] }, 'data', 'id');
      return toListedModel(found ?? { id: model });
    },
    batches: createAnthropicBatches(createClientSend(getClient), (request, info) => {
      const { body, headers, warnings } = toMessagesBody(settings.id, request, info);
      const { stream: _stream, ...whole } = body;
      const version = headers['anthropic-version'];
      return Promise.resolve({ body: whole, warnings, ...(version !== undefined && { group: version }) });
    }),
    errorRules: anthropicErrorRules,
    schemaMode: true,
    listingNeedsKey: true,
  };
}

function toListedModel(entry: Record<string, unknown> & { id: string }): ListedModel {
  const deprecatedAt = entry['deprecated_at'];
  return {
    id: entry.id,
    ...textField('name', entry['display_name']),
    ...sizeField('contextWindow', entry['max_input_tokens']),
    ...sizeField('maxOutputTokens', entry['max_tokens']),
    ...(typeof deprecatedAt === 'string' && { deprecatedOn: deprecatedAt.slice(0, 10) }),
  };
}

const ignore = () => undefined;
/** The SDK warns of old models on the console; ours is the catalog's to say. */
const silentLogger = { error: ignore, warn: ignore, info: ignore, debug: ignore };
