import type { ModelInfo } from '@aimm/contracts';

/** A vendor's own words for its list of models, and for one of them. */
export interface ModelListing {
  list: (models: readonly ModelInfo[]) => object;
  one: (model: ModelInfo) => object;
}

const since = 1_760_000_000;

const openai: ModelListing = {
  one: ({ id }) => ({ id, object: 'model', created: since, owned_by: 'demo' }),
  list: (models) => ({ object: 'list', data: models.map(openai.one) }),
};

const anthropic: ModelListing = {
  one: ({ id, name, contextWindow, maxOutputTokens }) => ({
    type: 'model',
    id,
    display_name: name ?? id,
    created_at: new Date(since * 1000).toISOString(),
    ...(contextWindow !== undefined && { max_input_tokens: contextWindow }),
    ...(maxOutputTokens !== undefined && { max_tokens: maxOutputTokens }),
  }),
  list: (models) => ({
    data: models.map(anthropic.one),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  }),
};

const google: ModelListing = {
  one: ({ id, name, contextWindow, maxOutputTokens }) => ({
    name: `models/${id}`,
    version: '001',
    displayName: name ?? id,
    ...(contextWindow !== undefined && { inputTokenLimit: contextWindow }),
    ...(maxOutputTokens !== undefined && { outputTokenLimit: maxOutputTokens }),
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  }),
  list: (models) => ({ models: models.map(google.one) }),
};

const mistral: ModelListing = {
  one: ({ id, name, contextWindow, capabilities = [] }) => ({
    id,
    object: 'model',
    type: 'base',
    created: since,
    owned_by: 'demo',
    name: name ?? id,
    ...(contextWindow !== undefined && { max_context_length: contextWindow }),
    capabilities: {
      completion_chat: true,
      function_calling: capabilities.includes('tools'),
      vision: capabilities.includes('images'),
      reasoning: capabilities.includes('reasoning'),
    },
  }),
  list: (models) => ({ object: 'list', data: models.map(mistral.one) }),
};

const ollama: ModelListing = {
  one: ({ id, contextWindow }) => ({
    modified_at: new Date(since * 1000).toISOString(),
    details: { format: 'gguf', family: 'demo', families: ['demo'], parameter_size: '1B', quantization_level: 'Q4_0' },
    model_info: {
      'general.architecture': 'demo',
      ...(contextWindow !== undefined && { 'demo.context_length': contextWindow }),
    },
    capabilities: ['completion', 'tools'],
    name: id,
    model: id,
    digest: '0'.repeat(64),
    size: 1_000_000_000,
  }),
  list: (models) => ({ models: models.map(ollama.one) }),
};

/** How each kind of provider lists its models. */
export const modelListings: Readonly<Record<string, ModelListing>> = {
  openai,
  'openai-compatible': openai,
  anthropic,
  google,
  mistral,
  ollama,
};
