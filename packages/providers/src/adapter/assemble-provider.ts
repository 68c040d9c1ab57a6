import { type GenerationRequest, type ListedModel, ModelManagerError } from '@aimm/contracts';
import { drainStream } from '../drain.ts';
import type { CallOptions, ModelProvider, ProviderSettings, StreamPart } from '../model-provider.ts';
import { guardCall, guardStream } from '../stream-guard.ts';
import { assembleBatches } from './assemble-batches.ts';
import { toAskedRequest } from './asked-request.ts';
import { checkHealth } from './health.ts';
import { type ErrorContext, toProviderError } from './provider-error.ts';
import { createExchange, createTransport, findRequestId, type Transport } from './transport.ts';
import type { CallFacts, PreparedCall, Vendor } from './vendor.ts';

/** Listings are small; one that takes longer is a fault. */
const listingTimeoutMs = 30_000;

/** Makes a provider of what a vendor's file gives: timers, cancelling, errors and health are the same for all. */
export function assembleProvider(
  settings: ProviderSettings,
  createVendor: (transport: Transport) => Vendor,
): ModelProvider {
  const transport = createTransport(settings.proxy);
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
  async function ask<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    model?: string,
    timeoutMs = listingTimeoutMs,
  ): Promise<T> {
    requireKey(settings, isAvailable());
    const context = createContext(model);
    const run = (inner: AbortSignal) => transport.run({ signal: inner, exchange: context.exchange }, work);
    try {
      return await guardCall(run, { signal, timeoutMs });
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
    const info = settings.describeModel(request.model);
    const contextWindow = vendor.limitsWindows === true ? undefined : info?.contextWindow;
    const context = { ...createContext(request.model), events: 0, contextWindow };
    const { exchange } = context;
    const known = createKnownParts();
    let call: PreparedCall | undefined;
    let begun = false;
    try {
      const asked = toAskedRequest(settings, request, info, vendor.schemaMode);
      const prepared = vendor.prepare(asked.request, info);
      call = prepared;
      for (const warning of [...asked.warnings, ...prepared.warnings]) yield { type: 'warning', warning };
      const open = (signal: AbortSignal) =>
        transport.run({ signal, exchange, onResponse: options.onResponse }, () => prepared.open());
      const batches = guardStream(open, () => prepared.finish() !== undefined, {
        hasBegun: () => begun,
        signal: options.signal,
        firstByteTimeoutMs: settings.firstByteTimeoutMs,
        idleTimeoutMs: settings.idleTimeoutMs,
        totalTimeoutMs: options.timeoutMs,
      });
      for await (const parts of batches) {
        context.events += 1;
        // An empty text is no first token.
        const said = parts.filter((part) => part.type !== 'text' || part.text !== '');
        begun ||= said.length > 0;
        yield* said;
        yield* known.next(prepared.facts());
      }
      const finishReason = prepared.finish();
      const { usage = {}, ...facts } = prepared.facts();
      const vendorRequestId = findRequestId(exchange);
      if (finishReason === undefined) return;
      yield {
        type: 'finish',
        finishReason,
        usage,
        ...facts,
        ...(vendorRequestId !== undefined && { vendorRequestId }),
      };
    } catch (error) {
      // What a failure came with: some vendors count, and bill, what they did not finish.
      if (call !== undefined) yield* known.next(call.facts());
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
    // The demo's stand-in has batches of OpenAI's kind only.
    ...(vendor.batches !== undefined &&
      (!settings.demo || vendor.kind === 'openai') && {
        batches: assembleBatches(vendor.batches, {
          settings,
          schemaMode: vendor.schemaMode,
          ask: (work, signal, { model, timeoutMs }) => ask(work, signal, model, timeoutMs),
          createContext,
          transport,
          requireKey: () => requireKey(settings, isAvailable()),
        }),
      }),
  };
  return provider;
}

/** Tells what is known of a call as parts: each fact once, and again when it changes. */
function createKnownParts() {
  let told: CallFacts = {};
  return {
    next(facts: CallFacts): StreamPart[] {
      const { usage, answeredBy, serviceTier } = facts;
      const parts: StreamPart[] = [];
      if (answeredBy !== told.answeredBy || serviceTier !== told.serviceTier) {
        parts.push({
          type: 'served',
          ...(answeredBy !== undefined && { answeredBy }),
          ...(serviceTier !== undefined && { serviceTier }),
        });
      }
      if (usage !== undefined && usage !== told.usage) parts.push({ type: 'usage', usage });
      told = facts;
      return parts;
    },
  };
}

function requireKey({ id, apiKeyVariable }: ProviderSettings, available: boolean): void {
  if (available) return;
  throw new ModelManagerError('authentication', `${id} has no API key.`, {
    provider: id,
    hint: apiKeyVariable === undefined ? `Give ${id} an API key.` : `Set ${apiKeyVariable} to an API key.`,
  });
}
