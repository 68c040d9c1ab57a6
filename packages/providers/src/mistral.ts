import type { Capability, ListedModel } from '@aimm/contracts';
import { assembleProvider } from './adapter/assemble-provider.ts';
import { createFetchSend } from './adapter/batch-wire.ts';
import { isObject } from './adapter/error-body.ts';
import { readListing, sizeField, textField } from './adapter/listing.ts';
import type { Transport } from './adapter/transport.ts';
import { lazily, toCall, type Vendor } from './adapter/vendor.ts';
import { createMistralBatches } from './mistral/batches.ts';
import { mistralErrorRules } from './mistral/errors.ts';
import { toChatRequest } from './mistral/request.ts';
import { createCompletionMapper } from './mistral/stream.ts';
import type { ProviderFactory, ProviderSettings } from './model-provider.ts';

/** Mistral's chat API. */
export const createMistralProvider: ProviderFactory = (settings) =>
  assembleProvider(settings, (transport) => createVendor(settings, transport));

function createVendor(settings: ProviderSettings, transport: Transport): Vendor {
  const baseUrl = settings.baseUrl ?? 'https://api.mistral.ai';
  const getSdk = lazily(async () => {
    // Its functions one by one: the package as a whole takes a second to load.
    const [{ MistralCore }, { HTTPClient }, { chatStream }, { modelsList }] = await Promise.all([
      import('@mistralai/mistralai/core.js'),
      import('@mistralai/mistralai/lib/http.js'),
      import('@mistralai/mistralai/funcs/chatStream.js'),
      import('@mistralai/mistralai/funcs/modelsList.js'),
    ]);
    const client = new MistralCore({
      apiKey: settings.apiKey || 'none',
      serverURL: baseUrl,
      httpClient: new HTTPClient({ fetcher: transport.fetch }),
      retryConfig: { strategy: 'none' },
      timeoutMs: -1,
      // Else a variable of the environment has it print requests, key and all.
      debugLogger: silentLogger,
    });
    return { client, chatStream, modelsList };
  });

  /** What the SDK makes of a request's names and an answer's, for lines that it does not send itself. */
  const getCodec = lazily(async () => {
    const [{ chatCompletionRequestToJSON }, { chatCompletionResponseFromJSON }] = await Promise.all([
      import('@mistralai/mistralai/models/components/chatcompletionrequest.js'),
      import('@mistralai/mistralai/models/components/chatcompletionresponse.js'),
    ]);
    return {
      write: chatCompletionRequestToJSON,
      read: (json: string) => unwrap(chatCompletionResponseFromJSON(json)),
    };
  });
  const send = createFetchSend(transport.fetch, baseUrl, { authorization: `Bearer ${settings.apiKey || 'none'}` });

  return {
    kind: 'mistral',
    load: getSdk,
    prepare(request, info) {
      const { body, warnings } = toChatRequest(settings.id, request, info);
      return toCall(warnings, createCompletionMapper(), async () => {
        const { client, chatStream } = await getSdk();
        return unwrap(await chatStream(client, body));
      });
    },
    async listModels() {
      const { client, modelsList } = await getSdk();
      const { data } = unwrap(await modelsList(client));
      // Cards of a kind that the SDK does not know come as they are, in a wrapper.
      const cards = data?.map((card) => ('isUnknown' in card ? card.raw : card));
      return readListing({ data: cards }, 'data', 'id').map(toListedModel);
    },
    batches: createMistralBatches(
      send,
      async () => (await getCodec()).read,
      async (request, info) => {
        const { body, warnings } = toChatRequest(settings.id, request, info);
        const line = JSON.parse((await getCodec()).write(body)) as Record<string, unknown>; // it wrote an object
        // The job names the model.
        const { stream: _stream, model: _model, ...whole } = line;
        return { body: whole, warnings };
      },
    ),
    errorRules: mistralErrorRules,
    schemaMode: true,
    listingNeedsKey: true,
  };
}

function unwrap<T>(result: { ok: true; value: T } | { ok: false; error: unknown }): T {
  if (!result.ok) throw result.error;
  return result.value;
}

const capabilityNames: readonly (readonly [string, Capability])[] = [
  ['completionChat', 'text'],
  ['functionCalling', 'tools'],
  ['vision', 'images'],
  ['reasoning', 'reasoning'],
];

function toListedModel(card: Record<string, unknown> & { id: string }): ListedModel {
  const has = isObject(card['capabilities']) ? card['capabilities'] : {};
  const capabilities = capabilityNames.filter(([theirs]) => has[theirs] === true).map(([, ours]) => ours);
  const deprecation = card['deprecation'];
  return {
    id: card.id,
    ...textField('name', card['name']),
    ...sizeField('contextWindow', card['maxContextLength']),
    ...(capabilities.length > 0 && { capabilities }),
    ...(deprecation instanceof Date && { deprecatedOn: deprecation.toISOString().slice(0, 10) }),
  };
}

const ignore = () => undefined;
const silentLogger = { group: ignore, groupEnd: ignore, log: ignore };
