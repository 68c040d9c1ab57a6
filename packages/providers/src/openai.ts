import { assembleProvider } from './adapter/assemble-provider.ts';
import type { ProviderFactory } from './model-provider.ts';
import { createOpenAiVendor } from './openai/vendor.ts';

/** OpenAI itself: the Responses API, unless a model's quirks ask for Chat Completions. */
export const createOpenAiProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) =>
    createOpenAiVendor(settings, transport, {
      kind: 'openai',
      api: 'responses',
      baseUrl: 'https://api.openai.com/v1',
      schemaMode: true,
      listingNeedsKey: true,
      batches: true,
      chat: {
        maxTokensField: 'max_completion_tokens',
        userField: 'safety_identifier',
        storeField: true,
        callIds: /^[^]{1,40}$/,
        support: { unsupported: ['topK'], maxStops: 4, promptCache: ['auto'] },
        topEffort: 'xhigh',
      },
    }),
  );
