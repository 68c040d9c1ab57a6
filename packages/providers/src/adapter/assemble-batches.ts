import { setImmediate as nextTurn } from 'node:timers/promises';
import { type GenerationRequest, ModelManagerError, type Warning } from '@aimm/contracts';
import type { BatchEndpoint, BatchHandle, BatchProgress, BatchRequest, BatchResult } from '../batch-endpoint.ts';
import { drainStream } from '../drain.ts';
import type { ProviderSettings, StreamPart } from '../model-provider.ts';
import { GuardStop, guardStream } from '../stream-guard.ts';
import { toAskedRequest } from './asked-request.ts';
import type { BatchLine, BatchVendor, VendorResult, WholeAnswer } from './batch-vendor.ts';
import { type ErrorContext, toProviderError } from './provider-error.ts';
import { toLeftOut } from './setting-warnings.ts';
import type { Transport } from './transport.ts';

interface Assembly {
  settings: ProviderSettings;
  schemaMode: boolean;
  /** A call without a stream, its errors ours. */
  ask: <T>(work: () => Promise<T>, signal: AbortSignal, options: { model?: string; timeoutMs: number }) => Promise<T>;
  createContext: (model?: string) => ErrorContext;
  transport: Transport;
  requireKey: () => void;
}

/** Uploads are up to hundreds of megabytes. */
const submitTimeoutMs = 900_000;
const callTimeoutMs = 60_000;
/** Between the lines of results, and for all of them. */
const resultsIdleMs = 120_000;
const resultsTotalMs = 21_600_000;
/** What stands around a request's body in its line: id, address, method. */
const envelopeBytes = 256;

/** Whatever the vendor says, this tier answered: its price is the call's. */
const serviceTier = 'batch';

/** Makes a batch endpoint of what a vendor's file gives. */
export function assembleBatches(vendor: BatchVendor, assembly: Assembly): BatchEndpoint {
  const { settings, ask, createContext, transport } = assembly;

  async function toLine(request: GenerationRequest): Promise<BatchLine> {
    const info = settings.describeModel(request.model);
    try {
      const untiered = leaveTierOut(request);
      const asked = toAskedRequest(settings, untiered.request, info, assembly.schemaMode);
      const line = await vendor.toLine(asked.request, info);
      return { ...line, warnings: [...untiered.warnings, ...asked.warnings, ...line.warnings] };
    } catch (error) {
      throw toProviderError(error, createContext(request.model));
    }
  }

  async function toResult(result: VendorResult, model: string | undefined): Promise<BatchResult> {
    const { id } = result;
    if ('answer' in result) return readAnswer(id, result.answer, model);
    if ('ended' in result) return { id, error: toUnanswered(settings.id, result.ended) };
    const { status = 200, body } = result.failure;
    const exchange = { sent: true, status, headers: {}, errorBody: JSON.stringify(body) ?? '' };
    return {
      id,
      error: toProviderError(new Error('a request of a batch failed'), { ...createContext(model), exchange }),
    };
  }

  async function readAnswer(
    id: string,
    { parts, facts, finish, fault }: WholeAnswer,
    model: string | undefined,
  ): Promise<BatchResult> {
    const { usage, answeredBy } = facts;
    if (fault === undefined && finish !== undefined) {
      const end: StreamPart = { type: 'finish', finishReason: finish, usage: usage ?? {}, ...facts, serviceTier };
      return { id, response: await drainStream(toStream([...parts, end])) };
    }
    const exchange = { sent: true, status: 200, headers: {} };
    const error = toProviderError(fault ?? new GuardStop('unfinished'), { ...createContext(model), exchange });
    return { id, error, ...(usage !== undefined && { usage }), ...(answeredBy !== undefined && { answeredBy }) };
  }

  async function* results(handle: BatchHandle, signal: AbortSignal) {
    assembly.requireKey();
    const model = modelOf(handle);
    const context = createContext();
    const seen = new Set<string>();
    let complete = false;
    /** A generator runs in the context of whoever asks it for more: each step is put into the call's own. */
    const open = (inner: AbortSignal): Promise<AsyncIterable<VendorResult>> => {
      const iterator = vendor.results(handle)[Symbol.asyncIterator]();
      const call = { signal: inner, exchange: context.exchange };
      const next = async () => {
        const step = await transport.run(call, () => iterator.next());
        complete ||= step.done === true;
        return step;
      };
      return Promise.resolve({ [Symbol.asyncIterator]: () => ({ next }) });
    };
    try {
      const lines = guardStream(open, () => complete, {
        signal,
        firstByteTimeoutMs: resultsIdleMs,
        idleTimeoutMs: resultsIdleMs,
        totalTimeoutMs: resultsTotalMs,
      });
      for await (const line of lines) {
        if (seen.has(line.id)) continue;
        seen.add(line.id);
        yield await toResult(line, model);
      }
    } catch (error) {
      throw toProviderError(error, context);
    }
  }

  return {
    limits: vendor.limits,
    async prepare(request) {
      const { body, warnings } = await toLine(request);
      return { bytes: Buffer.byteLength(JSON.stringify(body)) + envelopeBytes, warnings };
    },
    async submit({ name, requests, signal }) {
      const refuse = (message: string) => new ModelManagerError('invalid_request', message, { provider: settings.id });
      if (!/^[a-zA-Z0-9-]{1,36}$/.test(name)) throw refuse('A batch needs a name of 1 to 36 letters, digits or "-".');
      const model = checkRequests(requests, vendor.limits.maxRequests, refuse);
      const lines: { id: string; body: object }[] = [];
      const groups = new Set<string | undefined>();
      let bytes = 0;
      for (const [index, { id, request }] of requests.entries()) {
        // Streams of the same process want their turn.
        if (index % 50 === 49) await nextTurn();
        const { body, group } = await toLine(request);
        lines.push({ id, body });
        groups.add(group);
        bytes += Buffer.byteLength(JSON.stringify(body)) + envelopeBytes;
      }
      if (bytes > vendor.limits.maxBytes) throw refuse(`A batch of ${bytes} bytes is more than ${settings.id} takes.`);
      const [group] = groups;
      if (groups.size > 1) throw refuse(`The requests are for different APIs of ${settings.id}.`);
      const work = () => vendor.submit({ name, model, group, lines });
      const handle = await ask(work, signal, { model, timeoutMs: submitTimeoutMs });
      return { handle: { ...handle, model } };
    },
    async find({ signal, model, ...search }) {
      const found = await ask(() => vendor.find(search), signal, { timeoutMs: submitTimeoutMs });
      return found
        .map(({ handle, certain }) => ({ handle: { ...handle, model }, certain }))
        .toSorted((a, b) => Number(b.certain) - Number(a.certain));
    },
    async poll(handle, signal): Promise<BatchProgress> {
      const { failure, ...progress } = await ask(() => vendor.poll(handle), signal, { timeoutMs: callTimeoutMs });
      if (failure === undefined) return progress;
      const exchange = { sent: true, status: 200, headers: {}, errorBody: JSON.stringify(failure) };
      const error = toProviderError(new Error('a batch failed'), { ...createContext(modelOf(handle)), exchange });
      return { ...progress, error };
    },
    results,
    cancel: (handle, signal) => ask(() => vendor.cancel(handle), signal, { timeoutMs: callTimeoutMs }),
    remove: (handle, signal) => ask(() => vendor.remove(handle), signal, { timeoutMs: callTimeoutMs }),
  };
}

/** Kept in every handle: errors name the model. */
function modelOf({ model }: BatchHandle): string | undefined {
  return typeof model === 'string' ? model : undefined;
}

/** The one model they are for. */
function checkRequests(
  requests: readonly BatchRequest[],
  maxRequests: number,
  refuse: (message: string) => ModelManagerError,
): string {
  const [first] = requests;
  if (first === undefined) throw refuse('A batch needs a request.');
  if (requests.length > maxRequests) throw refuse(`A batch takes ${maxRequests} requests at most.`);
  const ids = new Set(requests.map(({ id }) => id));
  if (ids.size < requests.length) throw refuse('Two requests of the batch have one id.');
  const odd = [...ids].find((id) => !/^[a-zA-Z0-9_-]{1,27}$/.test(id));
  if (odd !== undefined) throw refuse(`A request's id is 1 to 27 letters, digits, "-" or "_": not "${odd}".`);
  if (requests.some(({ request }) => request.model !== first.request.model))
    throw refuse('All requests of a batch are for one model.');
  return first.request.model;
}

function leaveTierOut(request: GenerationRequest): { request: GenerationRequest; warnings: Warning[] } {
  const { serviceTier: tier, ...settings } = request.settings;
  if (tier === undefined) return { request, warnings: [] };
  const warnings = [toLeftOut('serviceTier', 'a batch is a tier of its own')];
  return { request: { ...request, settings }, warnings };
}

function toUnanswered(provider: string, ended: 'expired' | 'cancelled'): ModelManagerError {
  return ended === 'expired'
    ? new ModelManagerError('timeout', `${provider} did not get to this request before its batch expired.`, {
        provider,
      })
    : new ModelManagerError('cancelled', 'The batch was cancelled before this request was done.', { provider });
}

async function* toStream(parts: readonly StreamPart[]): AsyncGenerator<StreamPart> {
  yield* parts;
}
