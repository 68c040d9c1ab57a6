import type { JsonObject } from '@aimm/contracts';
import type { GenerateContentResponse } from '@google/genai';
import * as z from 'zod';
import {
  type BatchVendor,
  maxListedPages,
  readResults,
  readWhole,
  type VendorProgress,
  type VendorResult,
} from '../adapter/batch-vendor.ts';
import { cancelUnlessOver, drain, forget, makeOfFile, readJson, type WireSend } from '../adapter/batch-wire.ts';
import { isObject } from '../adapter/error-body.ts';
import { toJsonLines } from '../adapter/json-lines.ts';
import type { BatchState } from '../batch-endpoint.ts';
import { createContentMapper } from './stream.ts';

/** Sixty-four-bit numbers come as text. */
const Count = z.coerce.number().int().nonnegative().optional();
/** An operation, as Google calls what takes long; `metadata` is the batch. */
const Batch = z.object({
  name: z.string().min(1),
  error: z.unknown().optional(),
  done: z.boolean().optional(),
  metadata: z.object({
    displayName: z.string().optional(),
    state: z.string().default(''),
    inputConfig: z.object({ fileName: z.string().optional() }).optional(),
    output: z.object({ responsesFile: z.string().optional() }).optional(),
    batchStats: z.object({ requestCount: Count, successfulRequestCount: Count, failedRequestCount: Count }).default({}),
  }),
  response: z.object({ responsesFile: z.string().optional() }).optional(),
});
type Batch = z.infer<typeof Batch>;
/** An empty listing has no list. */
const Listing = z.object({ operations: z.array(Batch).default([]), nextPageToken: z.string().optional() });
const Uploaded = z.object({ file: z.object({ name: z.string().regex(/^files\/[\w-]+$/) }) });
const Handle = z.object({ id: z.string().regex(/^batches\/[\w-]+$/), input: z.string().optional() });

const states: Record<string, BatchState> = {
  QUEUED: 'validating',
  PENDING: 'validating',
  RUNNING: 'running',
  UPDATING: 'running',
  PAUSED: 'running',
  CANCELLING: 'ending',
  SUCCEEDED: 'ended',
  PARTIALLY_SUCCEEDED: 'ended',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  EXPIRED: 'expired',
};

/** Google's words for its own numbers of errors, which stand where other answers have the status of HTTP. */
const words: Record<number, string> = {
  1: 'CANCELLED',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

/**
 * Gemini's batches. Always by a file, never inline: a file's results can be read as they come, and there is one way to test.
 * `send` goes to the server's root; files that nobody deletes Google does after two days.
 */
export function createGoogleBatches(send: WireSend, toLine: BatchVendor['toLine']): BatchVendor {
  const retrieve = async (handle: JsonObject) =>
    Batch.parse(await readJson(send({ method: 'get', path: `/v1beta/${Handle.parse(handle).id}` })));

  /** In two steps, as Google takes files: where to, then what. */
  async function upload(name: string, text: string): Promise<string> {
    const bytes = Buffer.from(text);
    const type = 'application/jsonl';
    const start = await send({
      method: 'post',
      path: '/upload/v1beta/files',
      body: { file: { displayName: name, mimeType: type } },
      headers: {
        'x-goog-upload-protocol': 'resumable',
        'x-goog-upload-command': 'start',
        'x-goog-upload-header-content-length': `${bytes.length}`,
        'x-goog-upload-header-content-type': type,
      },
    });
    const address = start.headers.get('x-goog-upload-url') ?? '';
    await drain(start);
    if (!URL.canParse(address)) throw new Error('the server did not say where to upload');
    // On the server that was asked, whichever host it calls itself: the key goes nowhere else.
    const { pathname, searchParams } = new URL(address);
    const answer = send({
      method: 'post',
      path: pathname,
      query: Object.fromEntries(searchParams),
      body: bytes,
      headers: { 'x-goog-upload-command': 'upload, finalize', 'x-goog-upload-offset': '0', 'content-type': type },
    });
    return Uploaded.parse(await readJson(answer)).file.name;
  }

  return {
    limits: { maxRequests: 100_000, maxBytes: 2_000_000_000, expiresAfterMs: 172_800_000 },
    toLine,

    async submit({ name, model, lines }) {
      const text = toJsonLines(lines.map(({ id, body }) => ({ key: id, request: body })));
      const input = await upload(name, text);
      const made = async () => {
        const path = `/v1beta/models/${encodeURIComponent(model.replace(/^models\//, ''))}:batchGenerateContent`;
        const body = { batch: { displayName: name, inputConfig: { fileName: input } } };
        const { name: id } = Batch.pick({ name: true }).parse(await readJson(send({ method: 'post', path, body })));
        return { id, input };
      };
      return makeOfFile(made, () => forgetFile(send, input));
    },

    async find({ name }) {
      let token = '';
      for (let page = 0; page < maxListedPages; page += 1) {
        const query = { pageSize: 100, ...(token !== '' && { pageToken: token }) };
        const answer = send({ method: 'get', path: '/v1beta/batches', query });
        const { operations, nextPageToken: next = '' } = Listing.parse(await readJson(answer));
        const found = operations.find(({ metadata }) => metadata.displayName === name);
        if (found !== undefined) return [{ handle: toHandle(found), certain: true }];
        if (next === '') return [];
        token = next;
      }
      return [];
    },

    async poll(handle): Promise<VendorProgress> {
      const batch = await retrieve(handle);
      const { state: word, batchStats: stats } = batch.metadata;
      const state = states[word.replace(/^(JOB|BATCH)_STATE_/, '')] ?? (batch.done === true ? 'ended' : 'running');
      return {
        state,
        counts: {
          ...(stats.requestCount !== undefined && { total: stats.requestCount }),
          ...(stats.successfulRequestCount !== undefined && { succeeded: stats.successfulRequestCount }),
          ...(stats.failedRequestCount !== undefined && { failed: stats.failedRequestCount }),
        },
        resultsReady: fileOf(batch) !== undefined,
        ...(state === 'failed' && { failure: { error: toError(batch.error) } }),
      };
    },

    async *results(handle) {
      const file = fileOf(await retrieve(handle));
      if (file === undefined) return;
      const content = await send({ method: 'get', path: `/v1beta/${file}:download`, query: { alt: 'media' } });
      yield* readResults(content, toResult);
    },

    async cancel(handle) {
      const path = `/v1beta/${Handle.parse(handle).id}:cancel`;
      await cancelUnlessOver(send({ method: 'post', path, body: {} }), [400]);
    },

    async remove(handle) {
      const { id, input } = Handle.parse(handle);
      if (input !== undefined) await forgetFile(send, input);
      await forget(send({ method: 'delete', path: `/v1beta/${id}` }));
    },
  };
}

function forgetFile(send: WireSend, name: string): Promise<void> {
  return forget(send({ method: 'delete', path: `/v1beta/${name}` }));
}

function toHandle({ name, metadata: { inputConfig } }: Batch): JsonObject {
  return { id: name, ...(inputConfig?.fileName !== undefined && { input: inputConfig.fileName }) };
}

function fileOf({ metadata, response }: Batch): string | undefined {
  const file = metadata.output?.responsesFile ?? response?.responsesFile;
  return file !== undefined && /^files\/[\w-]+$/.test(file) ? file : undefined;
}

/** With the word that our rules go by. */
function toError(error: unknown): unknown {
  if (!isObject(error)) return { message: 'it did not say why' };
  const word = typeof error['code'] === 'number' ? words[error['code']] : undefined;
  return word === undefined ? error : { status: word, ...error };
}

function toResult(line: Record<string, unknown>): VendorResult | undefined {
  const { key: id, response, error = line['status'] } = line;
  if (typeof id !== 'string') return undefined;
  if (!isObject(response)) return { id, failure: { body: { error: toError(error) } } };
  // The vendor's own answer, which is one chunk of a stream.
  const answer = response as unknown as GenerateContentResponse;
  return { id, answer: readWhole(createContentMapper(), () => [answer]) };
}
