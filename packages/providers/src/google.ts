import type { Capability, ListedModel } from '@aimm/contracts';
import type { Model } from '@google/genai';
import { assembleProvider } from './adapter/assemble-provider.ts';
import { createFetchSend } from './adapter/batch-wire.ts';
import { sizeField, textField } from './adapter/listing.ts';
import type { Transport } from './adapter/transport.ts';
import { lazily, toCall, type Vendor } from './adapter/vendor.ts';
import { createGoogleBatches } from './google/batches.ts';
import { createBodyWriter } from './google/batch-body.ts';
import { googleErrorRules } from './google/errors.ts';
import { toGenerateParams } from './google/request.ts';
import { createContentMapper } from './google/stream.ts';
import type { ProviderFactory, ProviderSettings } from './model-provider.ts';

/** Google's Gemini Developer API. */
export const createGoogleProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) => createVendor(settings, transport));

function createVendor(settings: ProviderSettings, transport: Transport): Vendor {
  const baseUrl = settings.baseUrl ?? 'https://generativelanguage.googleapis.com';
  const createClient = async (fetch: Transport['fetch']) => {
    const { GoogleGenAI } = await import('@google/genai');
    return new GoogleGenAI({
      apiKey: settings.apiKey || 'none',
      // Said outright, since variables of the environment would else choose the backend and the version.
      vertexai: false,
      apiVersion: 'v1beta',
      httpOptions: {
        baseUrl,
        apiVersion: 'v1beta',
        fetch,
      },
    });
  };
  const getClient = lazily(() => createClient(transport.fetch));
  const writeBody = createBodyWriter(createClient);
  const send = createFetchSend(transport.fetch, baseUrl, { 'x-goog-api-key': settings.apiKey || 'none' });

  return {
    kind: 'google',
    load: getClient,
    prepare(request, info) {
      const { params, warnings } = toGenerateParams(settings.id, request, info);
      const open = async () => (await getClient()).models.generateContentStream(params);
      return toCall(warnings, createContentMapper(), open);
    },
    async listModels() {
      const client = await getClient();
      const models: ListedModel[] = [];
      for await (const model of await client.models.list({ config: { pageSize: 1000, queryBase: true } })) {
        models.push(toListedModel(model));
      }
      // The SDK takes an answer of any other shape for an empty page, and Google always has models.
      if (models.length === 0) throw new Error('the listing has no models');
      return models;
    },
    async getModel(model) {
      const client = await getClient();
      return toListedModel(await client.models.get({ model }));
    },
    batches: createGoogleBatches(send, async (request, info) => {
      const { params, warnings } = toGenerateParams(settings.id, request, info);
      return { body: await writeBody(params), warnings };
    }),
    errorRules: googleErrorRules,
    schemaMode: true,
    listingNeedsKey: true,
  };
}

function toListedModel(model: Model): ListedModel {
  const id = model.name?.replace(/^models\//, '') ?? '';
  if (id === '') throw new Error('a listed model has no name');
  const generates = model.supportedActions?.includes('generateContent') === true;
  const capabilities: Capability[] = [
    ...(generates ? (['text', 'streaming'] as const) : []),
    ...(model.supportedActions?.includes('embedContent') ? (['embeddings'] as const) : []),
    ...(model.thinking ? (['reasoning'] as const) : []),
  ];
  return {
    id,
    ...textField('name', model.displayName),
    ...sizeField('contextWindow', model.inputTokenLimit),
    ...sizeField('maxOutputTokens', model.outputTokenLimit),
    ...(capabilities.length > 0 && { capabilities }),
  };
}
