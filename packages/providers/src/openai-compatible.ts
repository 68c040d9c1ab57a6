import { assembleProvider } from './adapter/assemble-provider.ts';
import type { ProviderFactory } from './model-provider.ts';
import { createOpenAiVendor } from './openai/vendor.ts';

/** Servers that speak OpenAI's wire (vLLM, LM Studio, OpenRouter, …): Chat Completions, unless quirks say otherwise. */
export const createOpenAiCompatibleProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) =>
    createOpenAiVendor(settings, transport, {
      kind: 'openai-compatible',
      api: 'chat',
      baseUrl: 'http://127.0.0.1:8000/v1',
      // Some servers refuse the field, others ignore it; the catalog says of a model where it works.
      schemaMode: false,
      // OpenRouter and most local servers show their models to anybody.
      listingNeedsKey: false,
      batches: false,
      chat: {
        maxTokensField: 'max_tokens',
        userField: 'user',
        storeField: false,
        support: { efforts: ['none', 'minimal', 'low', 'medium', 'high'] },
        topEffort: 'high',
      },
    }),
  );
