import type { JsonObject } from '@aimm/contracts';
import * as z from 'zod';
import {
  type BatchVendor,
  clockSlackMs,
  maxListedPages,
  readWhole,
  type VendorProgress,
  type VendorResult,
} from '../adapter/batch-vendor.ts';
import { cancelUnlessOver, forget, readJson, type WireSend } from '../adapter/batch-wire.ts';
import { readJsonLines } from '../adapter/json-lines.ts';
import type { FoundBatch } from '../batch-endpoint.ts';
import { createMessagesMapper } from './stream.ts';
import { toMessageEvents } from './whole-message.ts';

const path = '/v1/messages/batches';

const Batch = z.object({
  id: z.string().min(1),
  processing_status: z.string(),
  created_at: z.string(),
  results_url: z.string().nullish(),
  request_counts: z.object({
    processing: z.number(),
    succeeded: z.number(),
    errored: z.number(),
    canceled: z.number(),
    expired: z.number(),
  }),
});
type Batch = z.infer<typeof Batch>;
const Listing = z.object({ data: z.array(Batch), has_more: z.boolean().nullish() });
const Line = z.object({
  custom_id: z.string(),
  result: z.object({ type: z.string(), message: z.unknown().optional(), error: z.unknown().optional() }),
});
/** `certain`: false where nothing yet says that the batch is ours. */
const Handle = z.object({ id: z.string(), name: z.string(), certain: z.boolean().default(true) });

/**
 * Anthropic's batches: the requests go up in one call, the results are one stream. A batch has no name and no metadata, so
 * ours stands before every request's id, which Anthropic shows in the results only.
 */
export function createAnthropicBatches(send: WireSend, toLine: BatchVendor['toLine']): BatchVendor {
  const retrieve = async (id: string) => Batch.parse(await readJson(send({ method: 'get', path: pathOf(id) })));

  async function* readResults(id: string) {
    const answer = await send({ method: 'get', path: `${pathOf(id)}/results` });
    for await (const line of readJsonLines(answer.body)) {
      const parsed = Line.safeParse(line);
      if (parsed.success) yield parsed.data;
    }
  }

  /** Whether the first of the batch's results bears our name; undefined where there are none to ask. */
  async function bears(batch: Batch, name: string): Promise<boolean | undefined> {
    if (batch.processing_status !== 'ended' || !batch.results_url) return undefined;
    for await (const { custom_id } of readResults(batch.id)) return custom_id.startsWith(`${name}_`);
    return false;
  }

  return {
    limits: { maxRequests: 100_000, maxBytes: 256_000_000, expiresAfterMs: 86_400_000 },
    toLine,

    async submit({ name, group, lines }) {
      const body = { requests: lines.map(({ id, body: params }) => ({ custom_id: `${name}_${id}`, params })) };
      const version = group !== undefined && { headers: { 'anthropic-version': group } };
      const { id } = Batch.parse(await readJson(send({ method: 'post', path, body, ...version })));
      return { id, name, certain: true };
    },

    async find({ name, requests, since }) {
      const found: FoundBatch[] = [];
      let after: string | undefined;
      for (let page = 0; page < maxListedPages; page += 1) {
        const query = { limit: 1000, ...(after !== undefined && { after_id: after }) };
        const { data, has_more: more } = Listing.parse(await readJson(send({ method: 'get', path, query })));
        const recent = data.filter(({ created_at: at }) => Date.parse(at) >= since - clockSlackMs);
        for (const batch of recent.filter(({ request_counts: counts }) => sizeOf(counts) === requests)) {
          const ours = await bears(batch, name);
          if (ours === true) return [{ handle: { id: batch.id, name, certain: true }, certain: true }];
          if (ours === undefined) found.push({ handle: { id: batch.id, name, certain: false }, certain: false });
        }
        // The newest come first.
        after = data.at(-1)?.id;
        if (more !== true || after === undefined || recent.length < data.length) break;
      }
      return found;
    },

    async poll(handle): Promise<VendorProgress> {
      const { processing_status: status, request_counts: counts } = await retrieve(Handle.parse(handle).id);
      const total = sizeOf(counts);
      if (status !== 'ended') {
        // Anthropic counts nothing before the end.
        return { state: status === 'canceling' ? 'ending' : 'running', counts: { total }, resultsReady: false };
      }
      const state = counts.canceled > 0 ? 'cancelled' : counts.expired > 0 ? 'expired' : 'ended';
      return { state, counts: { total, succeeded: counts.succeeded, failed: counts.errored }, resultsReady: true };
    },

    async *results(handle) {
      const { id, name } = Handle.parse(handle);
      for await (const line of readResults(id)) {
        // Somebody else's batch has no result of ours.
        if (line.custom_id.startsWith(`${name}_`)) yield toResult(line, name);
      }
    },

    async cancel(handle) {
      const { id, certain } = Handle.parse(handle);
      if (!certain) return;
      await cancelUnlessOver(send({ method: 'post', path: `${pathOf(id)}/cancel` }), [400, 409]);
    },

    async remove(handle: JsonObject) {
      const { id, certain } = Handle.parse(handle);
      if (certain) await forget(send({ method: 'delete', path: pathOf(id) }));
    },
  };
}

function pathOf(id: string): string {
  return `${path}/${encodeURIComponent(id)}`;
}

function sizeOf(counts: Batch['request_counts']): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function toResult({ custom_id, result }: z.infer<typeof Line>, name: string): VendorResult {
  const id = custom_id.slice(name.length + 1);
  switch (result.type) {
    case 'succeeded':
      return { id, answer: readWhole(createMessagesMapper(), () => toMessageEvents(result.message)) };
    case 'expired':
      return { id, ended: 'expired' };
    case 'canceled':
      return { id, ended: 'cancelled' };
    default:
      return { id, failure: { body: result.error ?? { message: result.type } } };
  }
}
