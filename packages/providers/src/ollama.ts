import type { Capability, GenerationRequest, ListedModel, ModelInfo } from '@aimm/contracts';
import type { ModelResponse, Ollama, ShowResponse } from 'ollama';
import { assembleProvider } from './adapter/assemble-provider.ts';
import { isObject } from './adapter/error-body.ts';
import { readListing, sizeField } from './adapter/listing.ts';
import type { Transport } from './adapter/transport.ts';
import { toCall, type Vendor } from './adapter/vendor.ts';
import type { ProviderFactory, ProviderSettings } from './model-provider.ts';
import { smallestWindow, toContextWindow, toNeededWindow } from './ollama/context-window.ts';
import { ollamaErrorRules } from './ollama/errors.ts';
import { toChatRequest } from './ollama/request.ts';
import { createChatMapper } from './ollama/stream.ts';
import { withStrictLines } from './ollama/strict-lines.ts';

/** No host has as many models; clients may name whatever they like. */
const mostShown = 100;

/** Ollama's own API. */
export const createOllamaProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) => createVendor(settings, transport));

function createVendor(settings: ProviderSettings, transport: Transport): Vendor {
  const fetch = withStrictLines(transport.fetch);

  /** One for every call, which costs nothing: a client remembers each stream that did not run to its end. */
  async function createClient() {
    const { Ollama } = await import('ollama');
    return new Ollama({
      host: settings.baseUrl ?? 'http://127.0.0.1:11434',
      fetch,
      ...(settings.apiKey && { headers: { Authorization: `Bearer ${settings.apiKey}` } }),
    });
  }

  /** A model of which the catalog knows nothing is looked up once; a server that does not say decides by itself. */
  const shownWindows = new Map<string, number>();
  const remember = (model: string, window: number) => {
    if (shownWindows.size >= mostShown) shownWindows.clear();
    shownWindows.set(model, window);
  };
  async function findContextWindow(client: Ollama, request: GenerationRequest, info: ModelInfo | undefined) {
    const given = settings.contextLength ?? smallestWindow;
    const needed = toNeededWindow(request);
    if (needed <= given) return undefined;
    const { model } = request;
    const known = info?.contextWindow ?? shownWindows.get(model);
    const window = known ?? (await client.show({ model }).then(describeModel, () => undefined))?.contextWindow;
    if (window !== undefined && !shownWindows.has(model)) remember(model, window);
    return toContextWindow(needed, given, window);
  }

  return {
    kind: 'ollama',
    load: createClient,
    prepare(request, info) {
      const { body, warnings } = toChatRequest(settings.id, request, info, settings.keepAlive);
      return toCall(warnings, createChatMapper(), async () => {
        const client = await createClient();
        const numCtx = await findContextWindow(client, request, info);
        return client.chat(numCtx === undefined ? body : { ...body, options: { ...body.options, num_ctx: numCtx } });
      });
    },
    async listModels() {
      const body = await (await createClient()).list();
      return readListing(body, 'models', 'name').map(toListedModel);
    },
    async getModel(model) {
      return { id: model, ...describeModel(await (await createClient()).show({ model })) };
    },
    errorRules: ollamaErrorRules,
    schemaMode: true,
    // A local server has no keys.
    listingNeedsKey: false,
    limitsWindows: true,
    hints: {
      unknown_model: (model) => `Run \`ollama pull ${model}\`.`,
      context_length_exceeded: () => 'Shorten the conversation, or start Ollama with a larger OLLAMA_CONTEXT_LENGTH.',
      unreachable: () => 'Start Ollama (`ollama serve`), or check its base URL.',
    },
  };
}

function toListedModel({ id }: Partial<ModelResponse> & { id: string }): ListedModel {
  return { id };
}

const capabilityNames: Record<string, Capability> = {
  completion: 'text',
  tools: 'tools',
  vision: 'images',
  thinking: 'reasoning',
  embedding: 'embeddings',
};

function describeModel(shown: ShowResponse): Omit<ListedModel, 'id'> {
  // Named after the architecture: `llama.context_length`.
  const facts = isObject(shown.model_info) ? Object.entries(shown.model_info) : [];
  const context: unknown = facts.find(([name]) => name.endsWith('.context_length'))?.[1];
  const capabilities = (Array.isArray(shown.capabilities) ? shown.capabilities : [])
    .map((name) => capabilityNames[name])
    .filter((name) => name !== undefined);
  return { ...sizeField('contextWindow', context), ...(capabilities.length > 0 && { capabilities }) };
}
