import type { JsonObject } from '@aimm/contracts';
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
import { createChatMapper } from './chat-stream.ts';
import { createResponsesMapper } from './responses-stream.ts';
import { toChatChunks, toResponseEvents } from './whole-answer.ts';

const responsesPath = '/v1/responses';
const chatPath = '/v1/chat/completions';
export const batchPaths = { responses: responsesPath, chat: chatPath } as const;

/** Under this key a batch's metadata holds its name. */
const nameKey = 'aimm';
/** Uploaded and made files that nobody deletes, OpenAI does after thirty days: the longest it can be told. */
const keptForS = 2_592_000;

const Batch = z.object({
  id: z.string().min(1),
  status: z.string(),
  created_at: z.number(),
  input_file_id: z.string().nullish(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  errors: z.object({ data: z.array(z.unknown()).nullish() }).nullish(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }).nullish(),
});
const Listing = z.object({ data: z.array(Batch), has_more: z.boolean().nullish() });
const Uploaded = z.object({ id: z.string().min(1) });
const Handle = z.object({ id: z.string() });

const states: Record<string, BatchState> = {
  validating: 'validating',
  in_progress: 'running',
  finalizing: 'ending',
  cancelling: 'ending',
  completed: 'ended',
  failed: 'failed',
  expired: 'expired',
  cancelled: 'cancelled',
};

/** OpenAI's batches: a file of requests goes up, files of answers and of failures come down. */
export function createOpenAiBatches(send: WireSend, toLine: BatchVendor['toLine']): BatchVendor {
  const retrieve = async (handle: JsonObject) =>
    Batch.parse(await readJson(send({ method: 'get', path: pathOf(handle) })));
  const remove = (file: string) => forget(send({ method: 'delete', path: `/files/${encodeURIComponent(file)}` }));

  return {
    limits: { maxRequests: 50_000, maxBytes: 200_000_000, expiresAfterMs: 86_400_000 },
    toLine,

    async submit({ name, group = responsesPath, lines }) {
      const text = toJsonLines(lines.map(({ id, body }) => ({ custom_id: id, method: 'POST', url: group, body })));
      const form = toFileForm(text, {
        purpose: 'batch',
        'expires_after[anchor]': 'created_at',
        'expires_after[seconds]': `${keptForS}`,
      });
      const file = Uploaded.parse(await readJson(send({ method: 'post', path: '/files', body: form })));
      const body = {
        input_file_id: file.id,
        endpoint: group,
        completion_window: '24h',
        output_expires_after: { anchor: 'created_at', seconds: keptForS },
        metadata: { [nameKey]: name },
      };
      const made = async () => Batch.parse(await readJson(send({ method: 'post', path: '/batches', body })));
      const { id } = await makeOfFile(made, () => remove(file.id));
      return { id };
    },

    async find({ name, since }) {
      let after: string | undefined;
      for (let page = 0; page < maxListedPages; page += 1) {
        const query = { limit: 100, ...(after !== undefined && { after }) };
        const { data, has_more: more } = Listing.parse(
          await readJson(send({ method: 'get', path: '/batches', query })),
        );
        const found = data.find(({ metadata }) => metadata?.[nameKey] === name);
        if (found !== undefined) return [{ handle: { id: found.id }, certain: true }];
        // The newest come first.
        const last = data.at(-1);
        if (more !== true || last === undefined || last.created_at * 1000 < since - clockSlackMs) return [];
        after = last.id;
      }
      return [];
    },

    async poll(handle): Promise<VendorProgress> {
      const batch = await retrieve(handle);
      const state = states[batch.status] ?? 'running';
      const counts = batch.request_counts;
      const isOver = state === 'ended' || state === 'expired' || state === 'cancelled';
      return {
        state,
        // All zero until the file is read.
        counts: counts && counts.total > 0 ? toCounts(counts) : {},
        resultsReady: isOver && Boolean(batch.output_file_id ?? batch.error_file_id),
        ...(state === 'failed' && {
          failure: { error: batch.errors?.data?.find(isObject) ?? { message: 'it did not say why' } },
        }),
      };
    },

    async *results(handle) {
      const { output_file_id: output, error_file_id: failures } = await retrieve(handle);
      for (const file of [output, failures]) {
        if (!file) continue;
        const content = await send({ method: 'get', path: `/files/${encodeURIComponent(file)}/content` });
        yield* readResults(content, toResult);
      }
    },

    async cancel(handle) {
      await cancelUnlessOver(send({ method: 'post', path: `${pathOf(handle)}/cancel` }), [400, 409]);
    },

    async remove(handle) {
      const { input_file_id: input, output_file_id: output, error_file_id: failures } = await retrieve(handle);
      for (const file of [input, output, failures]) if (file) await remove(file);
    },
  };
}

function pathOf(handle: JsonObject): string {
  return `/batches/${encodeURIComponent(Handle.parse(handle).id)}`;
}

function toCounts({ total, completed, failed }: { total: number; completed: number; failed: number }) {
  return { total, succeeded: completed, failed };
}

function toResult(line: Record<string, unknown>): VendorResult | undefined {
  const { custom_id: id, response, error } = line;
  if (typeof id !== 'string') return undefined;
  if (isObject(error) && error['code'] === 'batch_expired') return { id, ended: 'expired' };
  if (isObject(error) && error['code'] === 'batch_cancelled') return { id, ended: 'cancelled' };
  if (!isObject(response)) return { id, failure: { body: { error: error ?? { message: 'no response' } } } };
  const { status_code: status, body } = response;
  if (typeof status === 'number' && status >= 400) return { id, failure: { status, body } };
  // An answer says itself which of the two APIs it is from.
  const isChat = isObject(body) && 'choices' in body;
  return {
    id,
    answer: isChat
      ? readWhole(createChatMapper(), () => toChatChunks(body))
      : readWhole(createResponsesMapper(), () => toResponseEvents(body)),
  };
}
