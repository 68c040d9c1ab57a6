import { type GenerationRequest, type ListedModel, ModelManagerError } from '@aimm/contracts';
import { drainStream } from '../drain.ts';
import type { CallOptions, ModelProvider, ProviderSettings, StreamPart } from '../model-provider.ts';
import { guardCall, guardStream } from '../stream-guard.ts';
import { keepSpoken } from './conversation.ts';
import { checkHealth } from './health.ts';
import { type ErrorContext, toProviderError } from './provider-error.ts';
import { putSchemaInPrompt } from './schema-in-prompt.ts';
import { createExchange, createTransport, findRequestId, type Transport } from './transport.ts';
import type { Vendor } from './vendor.ts';

/** Listings are small; one that takes longer is a fault. */
const listingTimeoutMs = 30_000;

/** Makes a provider of what a vendor's file gives: timers, cancelling, errors and health are the same for all. */
export function assembleProvider(
  settings: ProviderSettings,
  createVendor: (transport: Transport) => Vendor,
): ModelProvider {
  const transport = createTransport();
  const vendor = createVendor(transport);
  const isAvailable = () => !settings.keyRequired || (settings.apiKey ?? '') !== '';

  const createContext = (model?: string): ErrorContext => ({
    settings,
    rules: vendor.errorRules,
    exchange: createExchange(),
    model,
    hints: vendor.hints,
  });

  /** A call without a stream: listings and the like. */
  async function ask<T>(work: () => Promise<T>, signal: AbortSignal, model?: string): Promise<T> {
    requireKey(settings, isAvailable());
    const context = createContext(model);
    const run = (inner: AbortSignal) => transport.run({ signal: inner, exchange: context.exchange }, work);
    try {
      return await guardCall(run, { signal, timeoutMs: listingTimeoutMs });
    } catch (error) {
      throw toProviderError(error, context);
    }
  }

  const listModels: ModelProvider['listModels'] = ({ signal }) => ask(() => vendor.listModels(), signal);

  async function getModelInfo(model: string, { signal }: { signal: AbortSignal }): Promise<ListedModel> {
    if (vendor.getModel !== undefined) {
      try {
        return await ask(() => vendor.getModel?.(model) ?? Promise.reject(new Error('no such call')), signal, model);
      } catch (error) {
        // Servers that stand in for a vendor often have its listing only.
        if (!(error instanceof ModelManagerError) || error.code !== 'unknown_model') throw error;
      }
    }
    const found = (await listModels({ signal })).find(({ id }) => id === model || id === `${model}:latest`);
    if (found !== undefined) return found;
    throw toProviderError(new Error('not in the listing'), { ...createContext(model), code: 'unknown_model' });
  }

  async function* stream(request: GenerationRequest, options: CallOptions): AsyncGenerator<StreamPart> {
    requireKey(settings, isAvailable());
    const context = { ...createContext(request.model), events: 0 };
    const { exchange } = context;
    try {
      const info = settings.describeModel(request.model);
      const spoken = { ...request, messages: keepSpoken(request.messages, settings.id) };
      const asked = putSchemaInPrompt(settings.id, spoken, info, vendor.schemaMode);
      const call = vendor.prepare(asked.request, info);
      for (const warning of [...asked.warnings, ...call.warnings]) yield { type: 'warning', warning };
      const open = (signal: AbortSignal) =>
        transport.run({ signal, exchange, onResponse: options.onResponse }, () => call.open());
      const batches = guardStream(open, () => call.finish() !== undefined, {
        signal: options.signal,
        firstByteTimeoutMs: settings.firstByteTimeoutMs,
        idleTimeoutMs: settings.idleTimeoutMs,
        totalTimeoutMs: options.timeoutMs,
      });
      for await (const parts of batches) {
        context.events += 1;
        // An empty text is no first token.
        yield* parts.filter((part) => part.type !== 'text' || part.text !== '');
      }
      const finish = call.finish();
      const vendorRequestId = findRequestId(exchange);
      if (finish !== undefined) yield { ...finish, ...(vendorRequestId !== undefined && { vendorRequestId }) };
    } catch (error) {
      throw toProviderError(error, context);
    }
  }

  const provider: ModelProvider = {
    id: settings.id,
    kind: vendor.kind,
    isAvailable,
    async warmUp() {
      await Promise.all([transport.load(), vendor.load()]);
    },
    listModels,
    getModelInfo,
    stream,
    generate: (request, options) => drainStream(stream(request, options)),
    checkHealth: (options) => checkHealth(provider, settings, vendor, options),
  };
  return provider;
}

function requireKey({ id, apiKeyVariable }: ProviderSettings, available: boolean): void {
  if (available) return;
  throw new ModelManagerError('authentication', `${id} has no API key.`, {
    provider: id,
    hint: apiKeyVariable === undefined ? `Give ${id} an API key.` : `Set ${apiKeyVariable} to an API key.`,
  });
}
