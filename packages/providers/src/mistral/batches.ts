import type { JsonObject } from '@aimm/contracts';
import type { ChatCompletionResponse } from '@mistralai/mistralai/models/components/chatcompletionresponse.js';
import * as z from 'zod';
import {
  type BatchVendor,
  clockSlackMs,
  maxListedPages,
  readResults,
  readWhole,
  type VendorProgress,
  type VendorResult,
} from '../adapter/batch-vendor.ts';
import { cancelUnlessOver, forget, makeOfFile, readJson, toFileForm, type WireSend } from '../adapter/batch-wire.ts';
import { isObject } from '../adapter/error-body.ts';
import { toJsonLines } from '../adapter/json-lines.ts';
import type { BatchState } from '../batch-endpoint.ts';
import { createCompletionMapper } from './stream.ts';
import { toCompletionEvents } from './whole-completion.ts';

const nameKey = 'aimm';
const endpoint = '/v1/chat/completions';
const timeoutHours = 24;

const Job = z.object({
  id: z.string().min(1),
  status: z.string(),
  input_files: z.array(z.string()).default([]),
  output_file: z.string().nullish(),
  error_file: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  errors: z.array(z.object({ message: z.string().default('') })).nullish(),
  total_requests: z.number().optional(),
  succeeded_requests: z.number().optional(),
  failed_requests: z.number().optional(),
});
const Listing = z.object({ data: z.array(Job).nullish() });
const Uploaded = z.object({ id: z.string().min(1) });
const Handle = z.object({ id: z.string() });

const states: Record<string, BatchState> = {
  QUEUED: 'validating',
  RUNNING: 'running',
  CANCELLATION_REQUESTED: 'ending',
  SUCCESS: 'ended',
  FAILED: 'failed',
  TIMEOUT_EXCEEDED: 'expired',
  CANCELLED: 'cancelled',
};

/** Reads an answer of the wire into the SDK's own names. @throws when it is none */
export type ReadCompletion = (json: string) => ChatCompletionResponse;

/** Mistral's batch jobs: a file of requests goes up, files of answers and of failures come down. */
export function createMistralBatches(
  send: WireSend,
  getReader: () => Promise<ReadCompletion>,
  toLine: BatchVendor['toLine'],
): BatchVendor {
  const retrieve = async (handle: JsonObject) =>
    Job.parse(await readJson(send({ method: 'get', path: pathOf(handle) })));
  const remove = (file: string) => forget(send({ method: 'delete', path: `/v1/files/${encodeURIComponent(file)}` }));

  return {
    limits: { maxRequests: 1_000_000, maxBytes: 512_000_000, expiresAfterMs: timeoutHours * 3_600_000 },
    toLine,

    async submit({ name, model, lines }) {
      const text = toJsonLines(lines.map(({ id, body }) => ({ custom_id: id, body })));
      const form = toFileForm(text, { purpose: 'batch' });
      const file = Uploaded.parse(await readJson(send({ method: 'post', path: '/v1/files', body: form })));
      const body = {
        input_files: [file.id],
        endpoint,
        model,
        metadata: { [nameKey]: name },
        timeout_hours: timeoutHours,
      };
      const made = async () => Job.parse(await readJson(send({ method: 'post', path: '/v1/batch/jobs', body })));
      const { id } = await makeOfFile(made, () => remove(file.id));
      return { id };
    },

    async find({ name, since }) {
      const size = 100;
      for (let page = 0; page < maxListedPages; page += 1) {
        const query = {
          page,
          page_size: size,
          created_after: new Date(since - clockSlackMs).toISOString(),
          order_by: '-created',
        };
        const { data } = Listing.parse(await readJson(send({ method: 'get', path: '/v1/batch/jobs', query })));
        const found = data?.find(({ metadata }) => metadata?.[nameKey] === name);
        if (found !== undefined) return [{ handle: { id: found.id }, certain: true }];
        if (!data || data.length < size) return [];
      }
      return [];
    },

    async poll(handle): Promise<VendorProgress> {
      const job = await retrieve(handle);
      const state = states[job.status] ?? 'running';
      const isOver = state !== 'validating' && state !== 'running' && state !== 'ending';
      const message = job.errors?.map((error) => error.message).join(' ') || 'it did not say why';
      return {
        state,
        counts: {
          ...(job.total_requests !== undefined && { total: job.total_requests }),
          ...(job.succeeded_requests !== undefined && { succeeded: job.succeeded_requests }),
          ...(job.failed_requests !== undefined && { failed: job.failed_requests }),
        },
        resultsReady: isOver && Boolean(job.output_file ?? job.error_file),
        ...(state === 'failed' && { failure: { message } }),
      };
    },

    async *results(handle) {
      const { output_file: output, error_file: failures } = await retrieve(handle);
      const read = await getReader();
      for (const file of [output, failures]) {
        if (!file) continue;
        const content = await send({ method: 'get', path: `/v1/files/${encodeURIComponent(file)}/content` });
        yield* readResults(content, (line) => toResult(line, read));
      }
    },

    async cancel(handle) {
      await cancelUnlessOver(send({ method: 'post', path: `${pathOf(handle)}/cancel` }), [400, 409, 422]);
    },

    async remove(handle) {
      const { input_files: inputs, output_file: output, error_file: failures } = await retrieve(handle);
      for (const file of [...inputs, output, failures]) if (file) await remove(file);
    },
  };
}

function pathOf(handle: JsonObject): string {
  return `/v1/batch/jobs/${encodeURIComponent(Handle.parse(handle).id)}`;
}

function toResult(line: Record<string, unknown>, read: ReadCompletion): VendorResult | undefined {
  const { custom_id: id, response, error } = line;
  if (typeof id !== 'string') return undefined;
  const { status_code: status, body } = isObject(response) ? response : {};
  if (typeof status === 'number' && status >= 400) return { id, failure: { status, body } };
  if (body === undefined || body === null) return { id, failure: { body: error ?? { message: 'no response' } } };
  const json = typeof body === 'string' ? body : JSON.stringify(body);
  return { id, answer: readWhole(createCompletionMapper(), () => toCompletionEvents(read(json))) };
}
